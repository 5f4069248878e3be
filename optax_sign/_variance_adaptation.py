"""Variance adaptation: shrink each coordinate by how noisy its direction is."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike

from optax_sign import _checks, _moments

FACTORS = ("magnitude", "sign", "erf")
VARIANCES = ("moving_average", "mini_batch")


class ScaleByVarianceAdaptationState(NamedTuple):
    """State of :func:`scale_by_variance_adaptation`."""

    count: ArrayLike  # shape (), int32: updates so far
    mu: Any  # like the parameters, mu_dtype: average of the gradients
    nu: Any  # like the parameters, nu_dtype, real: average of the squared gradients,
    #          or of the mini-batch variances; None where these need no average


def scale_by_variance_adaptation(
    direction: optax.GradientTransformation | None = None,
    *,
    beta: ArrayLike = 0.9,
    momentum: bool = True,
    factor: str = "magnitude",
    variance: str = "moving_average",
    mu_dtype: DTypeLike | None = None,
    nu_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Multiply a direction by its variance-adaptation factor :math:`\gamma`.

    With bias-corrected averages :math:`m_t` of the gradients and :math:`v_t` of
    their squares, both with decay :math:`\beta` = ``beta``, and
    :math:`\rho_t = \frac{(1-\beta)(1+\beta^{t+1})}{(1+\beta)(1-\beta^{t+1})}`:

    .. math::
      s_t &= \max(v_t - m_t^2, 0) / (1 - \rho_t), \quad s_0 = 0
        && \text{variance of the gradient} \\
      \sigma^2_t &= \rho_t s_t \text{ or } s_t
        && \text{with or without } \texttt{momentum} \\
      \gamma_t &= m_t^2 / (m_t^2 + \sigma^2_t)
        && \texttt{factor="magnitude"} \\
      \gamma_t &= \sqrt{m_t^2 / (m_t^2 + \sigma^2_t)}
        && \texttt{factor="sign"} \\
      \gamma_t &= \mathrm{erf}(|m_t| / \sqrt{2 \sigma^2_t})
        && \texttt{factor="erf"}

    and the update is :math:`\gamma_t \odot d(m_t)` with ``momentum``, else
    :math:`\gamma_t \odot d(g_t)`, where :math:`d` = ``direction``. No learning
    rate and no minus sign: chain ``optax.scale_by_learning_rate`` after it. Where
    :math:`m_t = v_t = 0`, and where the square of a gradient over- or underflows (in
    float32 beyond 1e19 or below 1e-19), the factor is 0, or 1e-19 for "erf". It lies
    in [0, 1], and without mini-batch variances the first one is 1.

    With ``variance="mini_batch"``, each call gets the variance :math:`\hat s_t` of
    its mini-batch mean as ``update(..., variance=tree)``; see
    :func:`optax_sign.value_and_grad_and_variance`. That of the gradient is then
    :math:`s_t = \hat s_t` itself, and that of the momentum :math:`\rho_t s_t` with
    :math:`s_t` the bias-corrected average of :math:`\hat s` with decay
    :math:`\beta^2`. It has to be the variance of the gradient that comes in:
    :math:`c^2 \hat s` behind a link or a loss that scales by :math:`c`; for the mean
    of :math:`n` micro-batches or devices, the mean of their variances divided by
    :math:`n`; :func:`optax_sign.multi_steps` accumulates so. Inside ``optax.masked``
    and ``optax.partition`` set ``mask_compatible_extra_args=True``.

    As in optax, a NaN or infinite gradient stays in the averages: all later updates of
    its weight are NaN; ``optax.apply_if_finite`` around the optimizer leaves such steps
    out.

    State: 8 bytes per float32 parameter (2 + 2 with both dtypes bfloat16); 4 for
    mini-batch variances without momentum.

    Args:
      direction: a link without state, as ``optax.scale_by_sign()``; ``None`` is
        the identity.
      beta: decay of both averages, in (0, 1).
      momentum: apply the direction to the momentum, not to the gradient.
      factor: "magnitude", the best factor for the direction itself; "sign", that
        of Adam for its sign; "erf", the best one for a sign under Gaussian noise.
      variance: "moving_average" or "mini_batch".
      mu_dtype: dtype of ``mu``; ``None`` takes each parameter's.
      nu_dtype: dtype of ``nu``; ``None`` takes each parameter's, or float32 for
        float16, which is refused, as most squares underflow in it.

    Returns:
      The link; its state is a :class:`ScaleByVarianceAdaptationState`.

    Raises:
      ValueError: an argument is out of range; ``direction`` keeps state; or
        mini-batch variances are asked for and not given.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), Lemma 1,
    section 4, appendices C and D.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> from optax_sign import scale_by_variance_adaptation
    >>> tx = scale_by_variance_adaptation(optax.scale_by_sign(), factor="sign")
    >>> state = tx.init(jnp.zeros(2))
    >>> _, state = tx.update(jnp.array([1.0, 1.0]), state)
    >>> updates, state = tx.update(jnp.array([1.0, -1.0]), state)
    >>> updates.round(2)  # certain of the first sign, hardly of the second
    Array([ 1.  , -0.05], dtype=float32)
    """
    _checks.check_range("beta", beta, 0.0, 1.0, open_low=True)
    _checks.check_flag("momentum", momentum)
    _checks.check_choice("factor", factor, FACTORS)
    _checks.check_choice("variance", variance, VARIANCES)
    _checks.check_float_dtype("mu_dtype", mu_dtype)
    _checks.check_square_dtype("nu_dtype", nu_dtype)
    if direction is not None:
        _checks.check_link("direction", direction)
    mini_batch = variance == "mini_batch"
    keeps_nu = momentum or not mini_batch
    # Averages of independent variances carry squared weights.
    nu_beta = beta * beta if mini_batch else beta
    direction = optax.with_extra_args_support(direction or optax.identity())

    def init_fn(params):
        kept = direction.init(params)
        if jax.tree.leaves(kept):
            raise ValueError(
                "direction must be a link without state, as optax.scale_by_sign(), "
                f"got one with {type(kept).__name__}."
            )
        mu = _moments.zeros_like(params, mu_dtype)
        nu = _moments.zeros_like(params, nu_dtype, real=True) if keeps_nu else None
        return ScaleByVarianceAdaptationState(jnp.zeros([], jnp.int32), mu, nu)

    def update_fn(updates, state, params=None, *, variance=None, **extra_args):
        if mini_batch and variance is None:
            raise ValueError(
                "variance must be the tree of mini-batch variances when the link is "
                'made with variance="mini_batch", got None.'
            )
        count = optax.safe_increment(state.count)
        mu = _moments.update_ema(updates, state.mu, beta)
        if keeps_nu:
            values = variance if mini_batch else jax.tree.map(_square, updates)
            values = _moments.map_present(_storable, values, state.nu)
            nu = _moments.update_ema(values, state.nu, nu_beta)
        else:
            nu = variance

        def mean_of(m):
            mean = _moments.widen(m)
            return mean / _moments.one_minus_power(beta, count, mean.real.dtype)

        def noise_of(mean, v):
            noise = _moments.widen(v)
            dtype = _moments.at_least_float32(mean.real, noise)
            if not keeps_nu:
                return noise
            noise /= _moments.one_minus_power(nu_beta, count, dtype)
            if not mini_batch:
                second = jnp.minimum(noise, jnp.finfo(dtype).max)
                noise = _moving_average_variance(mean, second, beta, count, dtype)
            return noise * _moments.rho(beta, count, dtype) if momentum else noise

        def base(g, m):
            return mean_of(m) if momentum else _moments.widen(g)

        def adapt(d, m, v):
            mean = mean_of(m)
            return _adaptation_factor(mean, noise_of(mean, v), factor) * d

        bases = _moments.map_present(base, updates, mu)
        kept = direction.init(updates)
        directions, _ = direction.update(bases, kept, params, **extra_args)
        adapted = _moments.map_present(adapt, directions, mu, nu)
        adapted = _moments.cast_updates(adapted, updates, params)
        nu = nu if keeps_nu else None
        return adapted, ScaleByVarianceAdaptationState(count, mu, nu)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def _square(gradient):
    return _moments.squared_magnitude(_moments.widen(gradient))


def _storable(value, average):
    """At most what ``average`` can hold, as an average never forgets infinity."""
    dtype = _moments.at_least_float32(value, average)
    largest = jnp.finfo(average.dtype).max.astype(dtype)
    return jnp.minimum(jnp.asarray(value, dtype), largest)


def _moving_average_variance(mean, second, beta, count, dtype):
    """``max(v - m**2, 0) / (1 - rho)``, and 0 at the first step, where rho is 1."""
    excess = jnp.maximum(second - _moments.squared_magnitude(mean), 0)
    scale = _moments.one_minus_rho(beta, count, dtype)
    return _moments.divide(excess, scale, 0)


def _adaptation_factor(mean, noise, factor):
    """The factor for a direction of this mean and variance, in [0, 1]."""
    square = _moments.squared_magnitude(mean)
    total = square + noise
    usable = (total > 0) & (total < jnp.inf)
    # NaN wherever mean or noise is not a finite number by itself: never hide one.
    nothing = jnp.where(jnp.isnan(noise), noise, 0 * jnp.abs(mean))
    certainty = jnp.where(usable, square / jnp.where(usable, total, 1), nothing)
    if factor == "magnitude":
        return certainty
    if factor == "sign":
        return _moments.root(certainty)
    # Bounds where erf is 1, and 1e-19 instead of 0, so that there are derivatives.
    limits = jnp.finfo(certainty.dtype)
    odds = certainty / (2 * jnp.maximum(1 - certainty, limits.eps / 4))
    return jax.scipy.special.erf(jnp.sqrt(jnp.maximum(odds, limits.tiny)))
