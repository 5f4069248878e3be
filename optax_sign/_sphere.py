"""Training on a sphere: projection, and the rate that replaces weight decay."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from optax_sign import _moments
from optax_sign._checks import as_numbers, check_choice, check_range, check_rates

SCOPES = ("global", "leaf")


class ProjectToSphereState(NamedTuple):
    """State of :func:`project_to_sphere`."""

    count: ArrayLike  # shape (), int32: updates so far
    radius: jax.Array  # shape () or (leaves,), float32 or wider: of each sphere


class ScaleBySphereLearningRateState(NamedTuple):
    """State of :func:`scale_by_sphere_learning_rate`."""

    count: ArrayLike  # shape (), int32: updates so far
    flat_norm: jax.Array  # shape () or (leaves,), float32 or wider: norm that the
    #                       parameters would have had without the sphere


def project_to_sphere(
    radius: ArrayLike | None = None, scope: str = "global"
) -> optax.GradientTransformationExtraArgs:
    r"""Bend updates so that the parameters keep their norm; the last link of a chain.

    .. math::
      \Delta\theta_t = R \, \frac{\theta_t + u_t}{\|\theta_t + u_t\|} - \theta_t

    where :math:`u_t` are the ``updates`` of ANY optimizer before it and :math:`R` =
    ``radius``. Where :math:`\theta_t + u_t = 0`, it stays at 0, and with
    ``radius=None`` so does what starts there. Choose leaves with ``optax.masked``.

    After a NaN or infinite update the updates of its whole sphere are NaN in that step;
    ``optax.apply_if_finite`` around the optimizer leaves such steps out.

    State: one number a sphere.

    Args:
      radius: norm to keep, positive; ``None`` is the norm at the first update.
      scope: "global", one sphere for the whole tree, or "leaf", one for each array.
        Inside ``optax.masked`` and ``optax.partition`` "global" means the leaves
        that this link sees; one without an update (``None``) stays where it is, and the
        others keep what is left of the norm.

    Returns:
      The link; its state is a :class:`ProjectToSphereState`.

    Raises:
      ValueError: an argument is out of range, or ``update`` gets no parameters.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), Algorithm 2.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> from optax_sign import project_to_sphere
    >>> tx = optax.chain(optax.sgd(1.0), project_to_sphere())
    >>> params = jnp.array([3.0, 4.0])
    >>> updates, _ = tx.update(jnp.array([3.0, -4.0]), tx.init(params), params)
    >>> optax.apply_updates(params, updates)  # towards (0, 8), at norm 5
    Array([0., 5.], dtype=float32)
    """
    if radius is not None:
        check_range("radius", radius, 0.0, open_low=True)
    check_choice("scope", scope, SCOPES)

    def init_fn(params):
        radius = _zeros_per_sphere(params, scope)
        return ProjectToSphereState(jnp.zeros([], jnp.int32), radius)

    def update_fn(updates, state, params=None, **extra_args):
        del extra_args
        require_params(params, "project_to_sphere")
        moved = jax.tree.map(_add, updates, params, is_leaf=_moments.is_none)
        target = _norms(params, scope) if radius is None else radius
        target = jnp.asarray(target, state.radius.dtype)
        target = jnp.where(state.count == 0, target, state.radius)
        norm, reach = _norms(moved, scope).astype(target.dtype), target
        if scope == "global":
            leaves = partial(jax.tree.leaves, is_leaf=_moments.is_none)
            pairs = list(zip(leaves(updates), leaves(moved), strict=True))
            norm = norm_of([m for u, m in pairs if u is not None]).astype(target.dtype)
            still = [m for u, m in pairs if u is None and m is not None]
            share = norm_of(still).astype(target.dtype) / jnp.where(target, target, 1)
            reach = target * jnp.sqrt(jnp.maximum(1 - share**2, 0))
        ratio = _moments.divide(reach, norm, 1)

        def leaf(_, point, parameter, factor):
            bent = factor.astype(point.real.dtype) * point
            return bent - jnp.asarray(parameter, bent.dtype)

        factors = _moments.per_leaf(ratio, params, scope)
        bent = _moments.map_present(leaf, updates, moved, params, factors)
        updates = _moments.cast_updates(bent, updates, params)
        return updates, ProjectToSphereState(optax.safe_increment(state.count), target)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def scale_by_sphere_learning_rate(
    learning_rate: optax.ScalarOrSchedule,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    radius: ArrayLike | None = None,
    scope: str = "global",
) -> optax.GradientTransformationExtraArgs:
    r"""The step on the sphere that equals one with weight decay in flat space.

    For weights that a normalisation layer follows, training on the sphere of
    radius :math:`R` with

    .. math::
      \hat\eta_t &= \frac{\eta_t}{\alpha_t^2 (1 - \eta_t \lambda)}, \qquad
      \alpha_0 = \|w_0\| / R \\
      \alpha_{t+1} &= \alpha_t (1 - \eta_t \lambda)
        \, \|\hat\theta_t - \hat\eta_t g_t\| / R

    runs through the same networks as :math:`w_{t+1} = (1 - \eta_t \lambda) w_t -
    \eta_t g(w_t)`, where :math:`\eta_t` = ``learning_rate``, :math:`\lambda` =
    ``weight_decay`` and :math:`g_t` are the ``updates``; exactly so only if the
    layer adds nothing to its variances (usually it adds 1e-5). The link emits
    :math:`-\hat\eta_t g_t`; chain :func:`project_to_sphere` with the same
    ``radius`` and ``scope`` after it. As a link cannot move the parameters before
    the first gradient, that one is taken to belong to :math:`w_0`, off the sphere
    where ``radius`` is not the initial norm.

    After a NaN or infinite update all later updates of its sphere are NaN;
    ``optax.apply_if_finite`` around the optimizer leaves such steps out.

    State: one number a sphere.

    Args:
      learning_rate: the rate :math:`\eta` of flat space, a number or a schedule.
      weight_decay: the decay of flat space, a number or a schedule; its product
        with the rate must stay below 1. Where schedules or tracers break that, nothing
        is left of the weights, as at 1, and the gradient is the new direction.
      radius: norm of the sphere, positive; ``None`` reads it off the parameters.
      scope: "global", one sphere for the whole tree, or "leaf", one for each array.

    Returns:
      The link; its state is a :class:`ScaleBySphereLearningRateState`.

    Raises:
      ValueError: an argument is out of range, or ``update`` gets no parameters.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), section 3.4.1; Li and Arora (arXiv 1910.07454).

    >>> import jax.numpy as jnp
    >>> from optax_sign import scale_by_sphere_learning_rate
    >>> tx = scale_by_sphere_learning_rate(0.1, weight_decay=0.5)
    >>> params = jnp.array([3.0, 4.0])
    >>> tx.update(jnp.array([0.95, 0.0]), tx.init(params), params)[0]
    Array([-0.1, -0. ], dtype=float32)
    """
    check_rates(learning_rate, weight_decay)
    given = (learning_rate, weight_decay)
    if not any(callable(x) or isinstance(x, jax.core.Tracer) for x in given):
        rate = float(as_numbers(learning_rate))
        limit = 1 / rate if rate > 0 else math.inf
        check_range("weight_decay", weight_decay, 0.0, limit)
    if radius is not None:
        check_range("radius", radius, 0.0, open_low=True)
    check_choice("scope", scope, SCOPES)

    def init_fn(params):
        flat_norm = _zeros_per_sphere(params, scope)
        return ScaleBySphereLearningRateState(jnp.zeros([], jnp.int32), flat_norm)

    def update_fn(updates, state, params=None, **extra_args):
        del extra_args
        require_params(params, "scale_by_sphere_learning_rate")
        dtype = state.flat_norm.dtype
        measured = _norms(params, scope).astype(dtype)
        first = state.count == 0
        flat_norm = jnp.where(first, measured, state.flat_norm)
        norm = measured
        if radius is not None:
            norm = jnp.where(first, measured, jnp.asarray(radius, dtype))
        rate = _value(learning_rate, state.count, dtype)
        least = jnp.finfo(dtype).eps
        shrinkage = 1 - rate * _value(weight_decay, state.count, dtype)
        shrinkage = jnp.maximum(shrinkage, least)
        # At the origin there is no direction to turn: the rate there is 0.
        sphere_rate = rate * _moments.divide(norm, flat_norm, 0) ** 2 / shrinkage

        def scale(update, factor):
            wide = _moments.widen(update)
            return -factor.astype(wide.real.dtype) * wide

        factors = _moments.per_leaf(sphere_rate, params, scope)
        steps = _moments.map_present(scale, updates, factors)
        moved = jax.tree.map(_add, steps, params, is_leaf=_moments.is_none)
        growth = _norms(moved, scope).astype(dtype) / jnp.where(norm != 0, norm, 1)
        # Weights without gradient decay for ever; their rate must not overflow.
        flat_norm = jnp.maximum(flat_norm * shrinkage * growth, least * measured)
        emitted = _moments.cast_updates(steps, updates, params)
        count = optax.safe_increment(state.count)
        return emitted, ScaleBySphereLearningRateState(count, flat_norm)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def require_params(params: Any, link: str) -> None:
    if params is None:
        raise ValueError(f"params must be given to {link}'s update, got None.")


def _value(number_or_schedule, count, dtype):
    if callable(number_or_schedule):
        return jnp.asarray(number_or_schedule(count), dtype)
    return jnp.asarray(number_or_schedule, dtype)


def _add(update, parameter):
    """The moved parameter, wide; an unmoved one where there is no update."""
    if update is None:
        return None if parameter is None else _moments.widen(parameter)
    return _moments.widen(update) + _moments.widen(parameter)


def _norms(tree, scope):
    """Norm of the whole tree, shape (), or of each leaf, shape (leaves,)."""
    leaves = [_moments.widen(leaf) for leaf in jax.tree.leaves(tree)]
    if scope == "global" or not leaves:
        return norm_of(leaves) if scope == "global" else jnp.zeros([0])
    return jnp.stack([norm_of([leaf]) for leaf in leaves])


def norm_of(leaves):
    """Norm of all leaves together; their squares may over- or underflow."""
    peak = _moments.greatest(map(_moments.largest_magnitude, leaves), jnp.zeros([]))
    scale = jnp.where(peak > 0, peak, 1)
    square = optax.tree.norm([leaf / scale for leaf in leaves], squared=True)
    return scale * _moments.root(square)


def _zeros_per_sphere(params, scope):
    """Zeros shaped and typed like :func:`_norms`, whatever the values.

    A vector over the leaves, not a tree, so that ``tree.map_params`` and sharding
    rules do not take these numbers for parameters.
    """
    return _norms(_moments.zeros_like(params, None), scope)
