"""AdaRem's resilience: trust a gradient more where it agrees with the past."""

import numbers
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike

from optax_sign import _moments
from optax_sign._chain import chain_with_decay
from optax_sign._checks import check_choice, check_float_dtype, check_range

SCOPES = ("leaf", "global")


class ScaleByResilienceState(NamedTuple):
    """State of :func:`scale_by_resilience`."""

    count: ArrayLike  # shape (), int32: updates so far
    mu: Any  # like the parameters, mu_dtype: average of the past gradients
    largest: jax.Array  # max |mu| of each leaf, shape (leaves,), or of all, shape ()


def scale_by_resilience(
    beta: ArrayLike = 0.9,
    decay: ArrayLike = 0.999,
    decay_every: ArrayLike = 1,
    scope: str = "leaf",
    eps: ArrayLike = 0.0,
    *,
    mu_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Scale each gradient by its agreement with the average of the past ones.

    .. math::
      b_t &= \frac{g_t \, m_t}{|g_t| \max |m_t| + \epsilon} \in [-1, 1] \\
      a_t &= 1 + \lambda^{\lfloor t / k \rfloor} \, b_t \\
      \text{update} &= a_t \odot g_t, \qquad
      m_{t+1} = \beta m_t + (1 - \beta) g_t

    with :math:`\beta` = ``beta``, :math:`\lambda` = ``decay``, :math:`k` =
    ``decay_every`` and :math:`\epsilon` = ``eps``. As :math:`a_0 = 1` and
    :math:`a_t \ge 0`, no gradient ever changes its sign; with ``decay_every=1``
    :math:`a_t \in [1-\lambda, 1+\lambda]`. 0/0 counts as 0. No learning rate and
    no minus sign: chain ``optax.scale_by_learning_rate`` after it. For a complex
    leaf, :math:`g m` is the real part of :math:`\bar g m`.

    In a chain :math:`g_t` is whatever comes in, and :math:`m_t` the average of that;
    its signs are what never changes. After clipping, one outlier cannot hold
    :math:`\max |m_t|` far above all others for the next :math:`1/(1-\beta)` steps;
    before ``optax.trace``, the momentum adds up what is scaled already. After
    ``optax.scale_by_adam()`` the directions of Adam agree or do not, as averages
    themselves more often than gradients, and the unit of the gradients matters no
    more. After ``optax.scale_by_sign()``, :math:`m_t \in [-1, 1]` is how one-sided a
    sign was, and the update, in [-2, 2], is a sign no more; a sign after this link
    undoes it. A float16 gradient beyond half of its range may be doubled to infinity.

    For a number ``beta`` from 1/2 on and an average no narrower than the gradient or
    float32, the state is updated in place: :math:`\beta m_t` is taken back from
    :math:`m_{t+1}`. With :math:`r = (1-\beta) |g_t| / (\beta \max |m_t|)` this moves
    :math:`b_t` by :math:`2 (1 + r)` epsilons; to 0 where no digit would be left.

    As in optax, a NaN gradient stays in the average, and so in its maximum: all later
    updates of its leaf are NaN, with ``scope="global"`` those of all leaves; after an
    infinite one those of its weight are, and the others plain gradients;
    ``optax.apply_if_finite`` around the optimizer leaves such steps out.

    State: 4 bytes per float32 parameter (``mu_dtype="bfloat16"``: 2), a number a leaf.

    Args:
      beta: decay of the average, in [0, 1).
      decay: base of the factor that fades the scaling out, in [0, 1].
      decay_every: steps between two multiplications by ``decay``, at least 1; the
        paper prints 1 and ran with the steps of an epoch.
      scope: where the maximum is taken: "leaf", over each array, or "global", over
        the whole tree, as printed. Inside ``optax.masked`` and ``optax.partition``
        "global" means the leaves that this link sees.
      eps: added to the denominator. The default keeps the scaling independent of
        the size of the gradients, which any positive number spoils.
      mu_dtype: dtype of the average; ``None`` takes each parameter's.

    Returns:
      The link; its state is a :class:`ScaleByResilienceState`.

    Raises:
      ValueError: an argument is out of range.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), Algorithm 1.

    >>> import jax.numpy as jnp
    >>> from optax_sign import scale_by_resilience
    >>> tx = scale_by_resilience(decay=0.5)
    >>> state = tx.init(jnp.zeros(2))
    >>> _, state = tx.update(jnp.array([2.0, 2.0]), state)
    >>> tx.update(jnp.array([1.0, -1.0]), state)[0]  # agrees, disagrees
    Array([ 1.5, -0.5], dtype=float32)

    Between clipping and momentum:

    >>> import optax
    >>> clip, momentum = optax.clip_by_global_norm(1.0), optax.trace(0.9)
    >>> tx = optax.chain(clip, scale_by_resilience(beta=0.5), momentum)
    >>> _, state = tx.update(jnp.array([64.0, -64.0]), tx.init(jnp.zeros(2)))
    >>> state[1].mu.round(2)  # half of the gradient at norm 1
    Array([ 0.35, -0.35], dtype=float32)
    """
    check_range("beta", beta, 0.0, 1.0)
    check_range("decay", decay, 0.0, 1.0, closed_high=True)
    check_range("decay_every", decay_every, 1.0)
    check_choice("scope", scope, SCOPES)
    check_range("eps", eps, 0.0)
    check_float_dtype("mu_dtype", mu_dtype)
    # XLA copies an average of which the old value is read beside the new one.
    can_take_back = isinstance(beta, numbers.Real) and beta >= 0.5

    def init_fn(params):
        mu = _moments.zeros_like(params, mu_dtype)
        return ScaleByResilienceState(jnp.zeros([], jnp.int32), mu, _largest(mu, scope))

    def update_fn(updates, state, params=None, **extra_args):
        del extra_args
        mu = _moments.update_ema(updates, state.mu, beta)
        peaks = _moments.per_leaf(state.largest, state.mu, scope)

        def leaf(g, past, new, peak):
            gradient, mean, weight = _moments.widen(g), _moments.widen(past), 1
            dtype = _moments.at_least_float32(gradient.real, mean.real)
            if can_take_back and _moments.at_least_float32(g, past) == new.dtype:
                weight, share = beta, (1 - beta) * gradient
                # So large that the sum has no digit of the past: it may be infinite.
                hidden = jnp.finfo(dtype).eps * jnp.abs(share) >= beta * peak
                mean = jnp.where(hidden, 0, new - share)
            faded = jnp.asarray(state.count // decay_every, dtype)
            fading = jnp.power(jnp.asarray(decay, dtype), faded)
            largest = (weight * peak).astype(dtype)
            agreement = _agreement(gradient, mean, largest, weight * eps)
            return (1 + fading * agreement) * gradient

        scaled = _moments.map_present(leaf, updates, state.mu, mu, peaks)
        scaled = _moments.cast_updates(scaled, updates, params)
        count = optax.safe_increment(state.count)
        return scaled, ScaleByResilienceState(count, mu, _largest(mu, scope))

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def _largest(mu, scope):
    """The greatest magnitude in each leaf, shape (leaves,), or in all, shape ()."""
    each = [_moments.largest_magnitude(m) for m in jax.tree.leaves(mu)]
    if scope == "global":
        return _moments.greatest(each, jnp.zeros([], jnp.float32))
    return jnp.stack(each) if each else jnp.zeros([0])


def _agreement(gradient, mean, largest, eps):
    """``g m / (|g| max|m| + eps)``, in an order that neither over- nor underflows."""
    size = jnp.abs(gradient)
    usable = (size > 0) & (largest != 0)  # NaN is
    size = jnp.where(usable, size, 1)
    scale = jnp.where(usable, largest, 1)
    agreement = jnp.real(jnp.conj(jnp.sign(gradient)) * (mean / scale))
    # XLA may divide by size * scale, and 0/0 is not a number where that underflows.
    damping = jnp.where(eps > 0, 1 / (1 + eps / size / scale), 1)
    return jnp.where(usable, jnp.clip(agreement * damping, -1, 1), 0)


def adarem(
    learning_rate: optax.ScalarOrSchedule,
    beta: ArrayLike = 0.9,
    decay: ArrayLike = 0.999,
    decay_every: ArrayLike = 1,
    scope: str = "leaf",
    eps: ArrayLike = 0.0,
    *,
    mu_dtype: DTypeLike | None = None,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""AdaRem: SGD whose step grows where the gradient agrees with the past.

    .. math::
      \Delta\theta_t = -\alpha_t \, (a_t \odot g_t + \gamma \theta_t)

    with :math:`\alpha_t` = ``learning_rate``, :math:`\gamma` = ``weight_decay``
    (multiplied by the base rate, not by the adapted one) and :math:`a_t` that of
    :func:`scale_by_resilience` for ``beta``, ``decay``, ``decay_every``,
    ``scope`` and ``eps``. The paper takes the rates of SGD with momentum; on a small
    ResNet the best one was that of plain SGD, three times as large.

    As in optax, a NaN gradient stays in the average, and so in its maximum: all later
    updates of its leaf are NaN, with ``scope="global"`` those of all leaves; after an
    infinite one those of its weight are, and all others those of SGD;
    ``optax.apply_if_finite`` around the optimizer leaves such steps out.

    State: 4 bytes per float32 parameter (``mu_dtype="bfloat16"``: 2), a number a leaf.

    Args:
      learning_rate: step size, a number or a schedule over the step.
      beta: decay of the average, in [0, 1).
      decay: base of the factor that fades the scaling out, in [0, 1].
      decay_every: steps between two multiplications by ``decay``.
      scope: "leaf" or "global": where the largest average is looked for.
      eps: added to the denominator.
      mu_dtype: dtype of the average; ``None`` takes each parameter's.
      weight_decay: decoupled decay, a number or a schedule.
      mask: tree of bools, or function of the parameters, that selects what decays.

    Returns:
      The optimizer.

    Raises:
      ValueError: an argument is out of range.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), Algorithm 1.

    >>> import jax.numpy as jnp
    >>> from optax_sign import adarem
    >>> tx = adarem(0.5)
    >>> tx.update(jnp.array([2.0, -4.0]), tx.init(jnp.zeros(2)))[0]
    Array([-1.,  2.], dtype=float32)
    """
    link = scale_by_resilience(beta, decay, decay_every, scope, eps, mu_dtype=mu_dtype)
    return chain_with_decay(learning_rate, weight_decay, mask, link)
