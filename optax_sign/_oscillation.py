"""How much parameters oscillate: length of the path over the way gained."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from optax_sign import _moments
from optax_sign._movement import movement


class TrackOscillationState(NamedTuple):
    """State of :func:`track_oscillation`."""

    count: ArrayLike  # shape (), int32: updates so far
    path: Any  # like the parameters, real, float32 or wider: sum of the |moves|
    displacement: Any  # like the parameters, float32 or wider: sum of the moves


class Oscillation(NamedTuple):
    """What :func:`oscillation` measures."""

    mean: jax.Array  # shape (), float: Q, over the parameters that have moved
    left_out: jax.Array  # shape (), int32: parameters without displacement


def track_oscillation() -> optax.GradientTransformationExtraArgs:
    r"""Pass updates through and add up each parameter's path and displacement.

    .. math::
      q = \frac{\sum_t |\Delta\theta_t|}{|\sum_t \Delta\theta_t|} \ge 1

    where :math:`\Delta\theta_t` is how far the ``updates`` that go through move the
    parameters in their own dtype, so that a bfloat16 weight that stands still counts as
    unmoved; where ``update`` gets no parameters, the updates themselves. So this should
    be the last link of a chain. Read the result with :func:`oscillation`; a window
    begins where the state is made anew.

    State: 8 bytes per parameter.

    Returns:
      The link; its state is a :class:`TrackOscillationState`.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), Figures 1 and 2.

    >>> import jax.numpy as jnp
    >>> from optax_sign import oscillation, track_oscillation
    >>> tx = track_oscillation()
    >>> state = tx.init(jnp.zeros(2))
    >>> for update in ([1.0, 1.0], [1.0, -0.5]):
    ...     _, state = tx.update(jnp.array(update), state)
    >>> oscillation(state).mean  # of 2/2 and 1.5/0.5
    Array(2., dtype=float32)
    """

    def init_fn(params):
        wide = jax.tree.map(_moments.widen, _moments.zeros_like(params, None))
        path = _moments.zeros_like(wide, None, real=True)
        return TrackOscillationState(jnp.zeros([], jnp.int32), path, wide)

    def update_fn(updates, state, params=None, **extra_args):
        del extra_args
        given = params is not None
        moves = _moments.map_present(movement, updates, params) if given else updates

        def walk(total, update):
            return total if update is None else total + jnp.asarray(update, total.dtype)

        def lengthen(total, update):
            return total if update is None else walk(total, jnp.abs(update))

        count = optax.safe_increment(state.count)
        none = {"is_leaf": _moments.is_none}
        path = jax.tree.map(lengthen, state.path, moves, **none)
        displacement = jax.tree.map(walk, state.displacement, moves, **none)
        return updates, TrackOscillationState(count, path, displacement)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def oscillation(state: Any) -> Oscillation:
    r"""The oscillation index Q since the start of the window.

    .. math::
      Q = \mathrm{mean}_i \; \frac{\mathrm{path}_i}{|\mathrm{displacement}_i|}

    over the parameters :math:`i` whose displacement is not 0, or no more than the
    rounding of its sum may leave of 0: ``sqrt(count)`` units in the last place of the
    path. Q is NaN where there is none. As a mean of ratios it is ruled by the few
    parameters that nearly came back: compare it over several seeds.

    Args:
      state: a :class:`TrackOscillationState`, or the state of any chain, wrapper or
        partition that holds one or more of them: their parameters are pooled.

    Returns:
      Q and the number of parameters left out.

    Raises:
      ValueError: ``state`` holds no :class:`TrackOscillationState`.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), Figures 1 and 2.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> from optax_sign import oscillation, track_oscillation
    >>> tx = optax.chain(optax.sgd(0.1), track_oscillation())
    >>> _, state = tx.update(jnp.array([1.0, 0.0]), tx.init(jnp.zeros(2)))
    >>> oscillation(state)
    Oscillation(mean=Array(1., dtype=float32), left_out=Array(1, dtype=int32))
    """

    def found(node):
        return isinstance(node, TrackOscillationState)

    windows = [s for s in jax.tree.leaves(state, is_leaf=found) if found(s)]
    if not windows:
        raise ValueError(
            "state must hold a TrackOscillationState: chain track_oscillation() "
            f"last, got {type(state).__name__}."
        )
    total, moved, size = jnp.zeros([]), jnp.zeros([], jnp.int32), 0
    for window in windows:
        steps = jnp.asarray(window.count, jnp.float32)
        leaves = map(jax.tree.leaves, (window.path, window.displacement))
        for path, way in zip(*leaves, strict=True):
            way = jnp.abs(way)
            # A weight that came back to its start keeps a residue of the roundings.
            residue = jnp.sqrt(steps).astype(path.dtype) * jnp.finfo(path.dtype).eps
            away = way > residue * path
            total += jnp.sum(jnp.where(away, path / jnp.where(away, way, 1), 0))
            moved += jnp.sum(away, dtype=jnp.int32)
            size += way.size
    mean = jnp.where(moved > 0, total / jnp.maximum(moved, 1), jnp.nan)
    return Oscillation(mean=mean, left_out=size - moved)
