"""The variance-adapted optimizers: SVAG, M-SVAG and ADAM*."""

from typing import Any

import optax
from jax.typing import ArrayLike, DTypeLike

from optax_sign._chain import chain_with_decay
from optax_sign._checks import check_choice
from optax_sign._variance_adaptation import scale_by_variance_adaptation


def svag(
    learning_rate: optax.ScalarOrSchedule,
    beta: ArrayLike = 0.9,
    *,
    variance: str = "moving_average",
    mu_dtype: DTypeLike | None = None,
    nu_dtype: DTypeLike | None = None,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Stochastic variance-adapted gradient: SGD, damped where the noise is.

    .. math::
      \Delta\theta_t = -\alpha_t \left( \frac{m_t^2}{m_t^2 + s_t} \, g_t
        + \lambda \theta_t \right)

    with :math:`\alpha_t` = ``learning_rate``, :math:`\lambda` = ``weight_decay``
    and, with decay :math:`\beta` = ``beta``, the averages :math:`m_t`, :math:`s_t`
    of :func:`scale_by_variance_adaptation`. The first step is one of
    SGD, unless variances are of mini-batches.

    As in optax, a NaN or infinite gradient stays in the averages: all later updates of
    its weight are NaN; ``optax.apply_if_finite`` around the optimizer leaves such steps
    out.

    State: 8 bytes per float32 parameter; 4 with mini-batch variances.

    Args:
      learning_rate: step size, a number or a schedule over the step.
      beta: decay of both moving averages, in (0, 1).
      variance: "moving_average", or "mini_batch" with ``update(..., variance=tree)``.
      mu_dtype: dtype of the average gradient; ``None`` takes each parameter's.
      nu_dtype: dtype of the average square; ``None`` takes each parameter's, or
        float32 for float16, which is refused, as most squares underflow in it.
      weight_decay: decoupled decay, a number or a schedule; multiplied by the rate.
      mask: tree of bools, or function of the parameters, that selects what decays.

    Returns:
      The optimizer.

    Raises:
      ValueError: an argument is out of range.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), section 3.2
    and appendix C.

    >>> import jax.numpy as jnp
    >>> from optax_sign import svag
    >>> tx = svag(0.5)
    >>> tx.update(jnp.array([2.0, -4.0]), tx.init(jnp.zeros(2)))[0]
    Array([-1.,  2.], dtype=float32)
    """
    link = scale_by_variance_adaptation(
        beta=beta,
        momentum=False,
        variance=variance,
        mu_dtype=mu_dtype,
        nu_dtype=nu_dtype,
    )
    return chain_with_decay(learning_rate, weight_decay, mask, link)


def m_svag(
    learning_rate: optax.ScalarOrSchedule,
    beta: ArrayLike = 0.9,
    *,
    variance: str = "moving_average",
    mu_dtype: DTypeLike | None = None,
    nu_dtype: DTypeLike | None = None,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Momentum with variance adaptation: Adam without the sign.

    .. math::
      \Delta\theta_t = -\alpha_t \left( \frac{m_t^2}{m_t^2 + \rho_t s_t} \, m_t
        + \lambda \theta_t \right)

    with :math:`\alpha_t` = ``learning_rate``, :math:`\lambda` = ``weight_decay``
    and, with decay :math:`\beta` = ``beta``, the averages :math:`m_t`, :math:`s_t`
    and :math:`\rho_t` of :func:`scale_by_variance_adaptation`. With moving
    averages the first step is one of SGD, and so is every step on a gradient that does
    not change.

    As in optax, a NaN or infinite gradient stays in the averages: all later updates of
    its weight are NaN; ``optax.apply_if_finite`` around the optimizer leaves such steps
    out.

    State: 8 bytes per float32 parameter.

    Args:
      learning_rate: step size, a number or a schedule over the step; on a CNN the
        best was three times that of :func:`m_sgd`, which is some thirty times that
        of ``optax.sgd(momentum=0.9)``.
      beta: decay of both moving averages, in (0, 1).
      variance: "moving_average", or "mini_batch" with ``update(..., variance=tree)``.
      mu_dtype: dtype of the average gradient; ``None`` takes each parameter's.
      nu_dtype: dtype of the average square; ``None`` takes each parameter's, or
        float32 for float16, which is refused, as most squares underflow in it.
      weight_decay: decoupled decay, a number or a schedule; multiplied by the rate.
      mask: tree of bools, or function of the parameters, that selects what decays.

    Returns:
      The optimizer.

    Raises:
      ValueError: an argument is out of range.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), Algorithms 1
    and 5.

    >>> import jax.numpy as jnp
    >>> from optax_sign import m_svag
    >>> tx = m_svag(0.5)
    >>> tx.update(jnp.array([2.0, -4.0]), tx.init(jnp.zeros(2)))[0]
    Array([-1.,  2.], dtype=float32)
    """
    link = scale_by_variance_adaptation(
        beta=beta, variance=variance, mu_dtype=mu_dtype, nu_dtype=nu_dtype
    )
    return chain_with_decay(learning_rate, weight_decay, mask, link)


def adam_star(
    learning_rate: optax.ScalarOrSchedule,
    beta: ArrayLike = 0.9,
    momentum: bool = True,
    factor: str = "sign",
    *,
    variance: str = "moving_average",
    mu_dtype: DTypeLike | None = None,
    nu_dtype: DTypeLike | None = None,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""ADAM*: the sign, adapted to a variance that is estimated without bias.

    .. math::
      \Delta\theta_t &= -\alpha_t \, (\gamma_t \, \mathrm{sign}(m_t)
        + \lambda \theta_t) \\
      \gamma_t &= \sqrt{\frac{m_t^2}{m_t^2 + \rho_t s_t}}
        \quad\text{or}\quad \mathrm{erf}\frac{|m_t|}{\sqrt{2 \rho_t s_t}}

    with :math:`\alpha_t` = ``learning_rate``, :math:`\lambda` = ``weight_decay``
    and, with decay :math:`\beta` = ``beta``, the averages :math:`m_t`, :math:`s_t`
    and :math:`\rho_t` of :func:`scale_by_variance_adaptation`. Without
    ``momentum`` the sign is that of the gradient and :math:`\rho_t` is left out.
    The sign of 0 is 0. There is one decay for both averages and no epsilon.

    As in optax, a NaN or infinite gradient stays in the averages: all later updates of
    its weight are NaN; ``optax.apply_if_finite`` around the optimizer leaves such steps
    out.

    State: 8 bytes per float32 parameter; 4 for mini-batch variances without momentum.

    Args:
      learning_rate: step size, a number or a schedule over the step.
      beta: decay of both moving averages, in (0, 1).
      momentum: take the sign of the momentum, not of the gradient.
      factor: "sign", the square root above; "erf", the best factor under
        Gaussian noise.
      variance: "moving_average", or "mini_batch" with ``update(..., variance=tree)``.
      mu_dtype: dtype of the average gradient; ``None`` takes each parameter's.
      nu_dtype: dtype of the average square; ``None`` takes each parameter's, or
        float32 for float16, which is refused, as most squares underflow in it.
      weight_decay: decoupled decay, a number or a schedule; multiplied by the rate.
      mask: tree of bools, or function of the parameters, that selects what decays.

    Returns:
      The optimizer.

    Raises:
      ValueError: an argument is out of range.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), section 3.1
    and appendix C.2.

    >>> import jax.numpy as jnp
    >>> from optax_sign import adam_star
    >>> tx = adam_star(0.5)
    >>> tx.update(jnp.array([2.0, -4.0]), tx.init(jnp.zeros(2)))[0]
    Array([-0.5,  0.5], dtype=float32)
    """
    check_choice("factor", factor, ("sign", "erf"))
    link = scale_by_variance_adaptation(
        optax.scale_by_sign(),
        beta=beta,
        momentum=momentum,
        factor=factor,
        variance=variance,
        mu_dtype=mu_dtype,
        nu_dtype=nu_dtype,
    )
    return chain_with_decay(learning_rate, weight_decay, mask, link)
