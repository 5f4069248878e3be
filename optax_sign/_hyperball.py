"""Hyperball: any direction at a fixed length, weights at a fixed norm."""

import jax
import jax.numpy as jnp
import optax

from optax_sign import _moments, _sphere
from optax_sign._chain import chain_with_decay
from optax_sign._checks import check_link


def hyperball(
    inner: optax.GradientTransformation, learning_rate: optax.ScalarOrSchedule
) -> optax.GradientTransformationExtraArgs:
    r"""Move each kernel along any direction by a set fraction of its norm, kept fixed.

    .. math::
      u_t &= -\eta_t \, R \, d_t / \|d_t\| \\
      \theta_{t+1} &= R \, (\theta_t + u_t) / \|\theta_t + u_t\|

    for each leaf :math:`\theta` by itself, with :math:`R = \|\theta_0\|`,
    :math:`\eta_t` = ``learning_rate`` and :math:`d_t` the direction of ``inner``. How
    long :math:`d_t` is does not matter, nor how large the weights are: :math:`\eta_t`
    has no unit, and where :math:`d_t \perp \theta_t`, as the gradients of
    scale-invariant weights are, every step turns a leaf by :math:`\arctan \eta_t`. That
    is why one rate is meant to serve networks of all widths. Where :math:`d_t = 0`,
    nothing moves.

    For kernels only: a leaf that starts at 0 stays there, and norms of biases and of
    the scales of normalisation layers should not be fixed. Give these to another
    member of ``optax.partition``, as below, told apart by their names: biases may have
    two axes, too, as those of ``nnx.MultiHeadAttention``. Weight decay has no use: the
    norm is fixed. For another :math:`R`, rescale the initial weights.

    After a NaN or infinite gradient that ``inner`` averages, all later updates of its
    leaf are NaN; ``optax.apply_if_finite`` around the optimizer leaves such steps out.

    State: that of ``inner``, and one number a sphere: one for each leaf.

    Args:
      inner: a link that emits directions, without learning rate and minus sign:
        ``optax.scale_by_adam()``, ``optax.contrib.scale_by_muon(...)``,
        :func:`scale_by_resilience`. A whole optimizer is refused without its sign:
        ``optax.chain(mas(1.0), optax.scale(-1.0))`` is what to give.
      learning_rate: length of a step relative to :math:`R`, not negative, a number or
        a schedule over the step.

    Returns:
      The optimizer.

    Raises:
      ValueError: an argument is out of range, ``update`` gets no parameters, or
        ``init`` finds that ``inner`` goes against the gradient.

    Source: Hyperball optimization (arXiv 2606.16899).

    >>> import jax
    >>> import jax.numpy as jnp
    >>> import optax
    >>> from optax_sign import hyperball
    >>> def by_name(path, leaf):
    ...     return "kernel" if "kernel" in jax.tree_util.keystr(path) else "rest"
    >>> def label(params):
    ...     return jax.tree.map_with_path(by_name, params)
    >>> kernels = hyperball(optax.scale_by_adam(), 0.01)
    >>> tx = optax.partition({"kernel": kernels, "rest": optax.adam(0.001)}, label)
    >>> params = {"kernel": jnp.array([[3.0], [4.0]]), "bias": jnp.zeros(1)}
    >>> grads = {"kernel": jnp.array([[4.0], [-3.0]]), "bias": jnp.ones(1)}
    >>> updates, _ = tx.update(grads, tx.init(params), params)
    >>> optax.tree.norm(optax.apply_updates(params, updates)["kernel"]).round(4)
    Array(5., dtype=float32)
    """
    check_link("inner", inner)
    # optax.scale_by_trust_ratio does for well-scaled float32 leaves only. It squares in
    # the dtype of the leaf: beyond 256 in float16 and 1e19 in float32 there is no step,
    # a direction too small to square stays as it is, and bfloat16 is coarse. It also
    # fails where a parameter has no gradient (None).
    rescale = optax.stateless(_as_long_as_the_parameters)
    steps = chain_with_decay(learning_rate, 0.0, None, inner, rescale)
    chain = optax.chain(steps, _sphere.project_to_sphere(scope="leaf"))

    def init_fn(params):
        # Not above, which inject_hyperparams calls in every step.
        _check_direction(inner)
        return chain.init(params)

    return optax.GradientTransformationExtraArgs(init_fn, chain.update)


def _check_direction(inner):
    """Raise where ``inner`` goes against the gradient in a second step, on a matrix.

    The first one may have a rate of 0, in a warm-up.
    """
    with jax.ensure_compile_time_eval():
        gradient = {"kernel": jnp.array([[1.0, 2.0], [3.0, 4.0]])}
        more = {"variance": gradient}
        update = optax.with_extra_args_support(inner).update
        try:
            _, state = update(gradient, inner.init(gradient), gradient, **more)
            direction, _ = update(gradient, state, gradient, **more)
            against = float(optax.tree.vdot(gradient, direction).real) < 0
        except Exception:  # it is for other trees only, or made of tracers
            return
    if against:
        raise ValueError(
            "inner must emit directions, which go with the gradient, got an optimizer, "
            "which goes against it: give its link, as optax.scale_by_adam() for "
            "optax.adam(...), or chain optax.scale(-1.0) after it."
        )


def _as_long_as_the_parameters(directions, params):
    r"""``‖θ‖ d/‖d‖`` for each leaf, and 0 where ``d`` is."""
    _sphere.require_params(params, "hyperball")

    def leaf(direction, parameter):
        wide = _moments.widen(direction)
        dtype = wide.real.dtype
        length = _sphere.norm_of([wide]).astype(dtype)
        norm = _sphere.norm_of([_moments.widen(parameter)]).astype(dtype)
        # Two factors, as their quotient overflows where the direction is tiny.
        return wide / jnp.where(length == 0, 1, length) * norm

    return _moments.map_present(leaf, directions, params)
