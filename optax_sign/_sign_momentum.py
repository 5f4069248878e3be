"""The sign and the momentum of the gradient: SSD, M-SGD, M-SSD and MaS."""

from typing import Any

import optax
from jax.typing import ArrayLike, DTypeLike

from optax_sign._chain import chain_with_decay
from optax_sign._moments import ema


def ssd(
    learning_rate: optax.ScalarOrSchedule,
    *,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Stochastic sign descent: the sign of the gradient, no state.

    .. math::
      \Delta\theta_t = -\alpha_t \, (\mathrm{sign}(g_t) + \lambda \theta_t)

    with :math:`\alpha_t` = ``learning_rate`` and :math:`\lambda` =
    ``weight_decay``. The sign of 0 is 0; of a complex z it is z/\|z\|.

    A NaN gradient makes its weight NaN; ``optax.apply_if_finite`` around the optimizer
    leaves such steps out.

    State: 0 bytes per parameter.

    Args:
      learning_rate: step size, a number or a schedule over the step.
      weight_decay: decoupled decay, a number or a schedule; multiplied by the rate.
      mask: tree of bools, or function of the parameters, that selects what decays.

    Returns:
      The optimizer.

    Raises:
      ValueError: a concrete number is out of range.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), section 2.

    >>> import jax.numpy as jnp
    >>> from optax_sign import ssd
    >>> tx = ssd(0.5)
    >>> tx.update(jnp.array([3.0, 0.0, -0.1]), tx.init(jnp.zeros(3)))[0]
    Array([-0.5, -0. ,  0.5], dtype=float32)
    """
    return chain_with_decay(learning_rate, weight_decay, mask, optax.scale_by_sign())


def m_sgd(
    learning_rate: optax.ScalarOrSchedule,
    beta: ArrayLike = 0.9,
    *,
    mu_dtype: DTypeLike | None = None,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Gradient descent along the bias-corrected momentum.

    .. math::
      \tilde m_t &= \beta \tilde m_{t-1} + (1-\beta) g_t, \qquad
      m_t = \tilde m_t / (1 - \beta^{t+1}) \\
      \Delta\theta_t &= -\alpha_t \, (m_t + \lambda \theta_t)

    with :math:`\alpha_t` = ``learning_rate``, :math:`\beta` = ``beta`` and
    :math:`\lambda` = ``weight_decay``. As :math:`m_t` is an average, where
    ``optax.sgd`` with momentum takes the sum :math:`m_t / (1-\beta)`, rates are ten
    times its for :math:`\beta = 0.9`.

    As in optax, a NaN or infinite gradient stays in the average: all later updates of
    its weight are NaN or infinite; ``optax.apply_if_finite`` around the optimizer
    leaves such steps out.

    State: 4 bytes per float32 parameter (``mu_dtype="bfloat16"``: 2).

    Args:
      learning_rate: step size, a number or a schedule over the step.
      beta: decay of the moving average, in [0, 1).
      mu_dtype: dtype of the average; ``None`` takes each parameter's.
      weight_decay: decoupled decay, a number or a schedule; multiplied by the rate.
      mask: tree of bools, or function of the parameters, that selects what decays.

    Returns:
      The optimizer.

    Raises:
      ValueError: a concrete number is out of range, or ``mu_dtype`` is no float.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), Algorithm 2.

    >>> import jax.numpy as jnp
    >>> from optax_sign import m_sgd
    >>> tx = m_sgd(0.5)
    >>> tx.update(jnp.array([2.0, -4.0]), tx.init(jnp.zeros(2)))[0].round(4)
    Array([-1.,  2.], dtype=float32)
    """
    momentum = ema(beta, mu_dtype, debias=True)
    return chain_with_decay(learning_rate, weight_decay, mask, momentum)


def m_ssd(
    learning_rate: optax.ScalarOrSchedule,
    beta: ArrayLike = 0.9,
    *,
    mu_dtype: DTypeLike | None = None,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Stochastic sign descent with momentum: the sign of the moving average.

    .. math::
      \tilde m_t &= \beta \tilde m_{t-1} + (1-\beta) g_t \\
      \Delta\theta_t &= -\alpha_t \, (\mathrm{sign}(\tilde m_t) + \lambda \theta_t)

    with :math:`\alpha_t` = ``learning_rate``, :math:`\beta` = ``beta`` and
    :math:`\lambda` = ``weight_decay``. Bias correction cannot change a sign, so
    there is none. The sign of 0 is 0. The same update as ``optax.signum``.

    A weight whose gradient stops walks on until the average underflows: after one
    gradient of 1e-3 and zeros ever after by 742 full steps in float32; see :func:`mas`.

    As in optax, a NaN gradient stays in the average: all later updates of its weight
    are NaN, and after an infinite one it walks on for ever;
    ``optax.apply_if_finite`` around the optimizer leaves such steps out.

    State: 4 bytes per float32 parameter (``mu_dtype="bfloat16"``: 2).

    Args:
      learning_rate: step size, a number or a schedule over the step.
      beta: decay of the moving average, in [0, 1).
      mu_dtype: dtype of the average; ``None`` takes each parameter's. The sign
        taken is that of the stored value.
      weight_decay: decoupled decay, a number or a schedule; multiplied by the rate.
      mask: tree of bools, or function of the parameters, that selects what decays.

    Returns:
      The optimizer.

    Raises:
      ValueError: a concrete number is out of range, or ``mu_dtype`` is no float.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), Algorithm 2.

    >>> import jax.numpy as jnp
    >>> from optax_sign import m_ssd
    >>> tx = m_ssd(0.5)
    >>> tx.update(jnp.array([2.0, -4.0]), tx.init(jnp.zeros(2)))[0]
    Array([-0.5,  0.5], dtype=float32)
    """
    links = (ema(beta, mu_dtype, debias=False), optax.scale_by_sign())
    return chain_with_decay(learning_rate, weight_decay, mask, *links)


def mas(
    learning_rate: optax.ScalarOrSchedule = 2e-4,
    beta: ArrayLike = 0.95,
    *,
    mu_dtype: DTypeLike | None = None,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Momentum and sign (MaS): :func:`m_ssd` with the defaults of its own paper.

    .. math::
      g_t &= \gamma g_{t-1} + (1-\gamma) \nabla L(\theta_t) \\
      \Delta\theta_t &= -\eta \, (\mathrm{sign}(g_t) + \lambda \theta_t)

    with :math:`\eta` = ``learning_rate``, :math:`\gamma` = ``beta`` and
    :math:`\lambda` = ``weight_decay``. As every weight moves by the full rate at
    every step, the rate is mostly below Adam's: where both were searched, from a tenth
    of it to all of it.

    A weight whose gradient stops, as those of a row of an embedding, an expert or a
    frozen branch, walks on until the average underflows: after one gradient of 1e-3 and
    zeros ever after by 1,510 full steps in float32, where Adam moves six rates in all.
    A usual weight decay hardly shortens that way; :func:`skip_zero_gradients` ends it,
    without any state. Tried on a small regression with rare rows, that was no gain, but
    Adam for such weights, by ``optax.partition``, was.

    With bfloat16 weights steps of the default rate vanish on all beyond 1/16, which
    :func:`vanishing_steps` tells and :func:`keep_master_copy` or
    :func:`apply_updates_stochastically` mends.

    As in optax, a NaN gradient stays in the average: all later updates of its weight
    are NaN, and after an infinite one it walks on for ever;
    ``optax.apply_if_finite`` around the optimizer leaves such steps out.

    State: 4 bytes per float32 parameter (``mu_dtype="bfloat16"``: 2), half of
    Adam's.

    Args:
      learning_rate: step size, a number or a schedule over the step.
      beta: decay of the moving average, in [0, 1).
      mu_dtype: dtype of the average; ``None`` takes each parameter's.
      weight_decay: decoupled decay, a number or a schedule; multiplied by the rate.
      mask: tree of bools, or function of the parameters, that selects what decays.

    Returns:
      The optimizer.

    Raises:
      ValueError: a concrete number is out of range, or ``mu_dtype`` is no float.

    Source: Jiang, *A Fast Optimizer with Momentum and Sign*, equations 3 and 7.

    >>> import jax.numpy as jnp
    >>> from optax_sign import mas
    >>> tx = mas()
    >>> tx.update(jnp.array([2.0, -4.0]), tx.init(jnp.zeros(2)))[0]
    Array([-0.0002,  0.0002], dtype=float32)
    """
    return m_ssd(
        learning_rate, beta, mu_dtype=mu_dtype, weight_decay=weight_decay, mask=mask
    )
