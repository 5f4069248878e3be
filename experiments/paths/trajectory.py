"""Paths of optimizers over surfaces, compiled once for all positions of the sliders.

Once more where more than 500 steps are asked for the first time.

Everything is in float64, as the hyper-parameters are numbers that JAX does not know: in
float32 the 0.001 that is left of Adam's 0.999 would already be off by 5e-5. What the
range of float32 cannot hold counts as gone all the same, as a copied optimizer, which
runs in it, would be gone there.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

import optax_sign
from experiments.paths.formula import Formula
from experiments.paths.inner_state import Step
from experiments.paths.surfaces import Point, Surface
from experiments.paths.tunable import Method, Value

LENGTHS = (500, 1000)  # of the compiled loops; `steps` cuts what comes out
MAX_STEPS = LENGTHS[-1]
OPTIONS: dict[str, Any] = {"xla_backend_optimization_level": 0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Where an optimizer went, in float64, up to the last finite point.

    Attributes:
      points: shape (k + 1, 2): the start, and the weights after each of k steps.
      losses: shape (k + 1,), at the points, without noise.
      components: name → shape (k, 2): the steps' internals, for each weight.
      oscillation: Q of the path; NaN where no weight has moved in the end.
      final_loss: at the last point.
      distance: from the last point to the nearest known minimum.
      diverged_at: the step after which weights or loss were no finite numbers; 0 where
        the loss at the start is none.
      notice: one sentence where that is so, or where the path ends out of the view.
    """

    points: np.ndarray
    losses: np.ndarray
    components: Mapping[str, np.ndarray]
    oscillation: float
    final_loss: float
    distance: float
    diverged_at: int | None
    notice: str | None


def walk(
    loss: Callable[[jax.Array], jax.Array],
    optimizer: optax.GradientTransformation,
    start: ArrayLike | Sequence[float],
    steps: int,
    components: Mapping[str, Callable[[Step], jax.Array]] = {},
    values: Mapping[str, Any] = {},
    noise: ArrayLike = 0.0,
) -> dict[str, jax.Array]:
    """Steps of an optimizer down a loss, with all that is seen on the way; traceable.

    Args:
      loss: a number for the weights, shape (d,).
      optimizer: one that does its own scaling by the rate.
      start: the first weights.
      steps: how many.
      components: what is read from each step.
      values: the optimizer's hyper-parameters, where a component asks for them.
      noise: what is added to the gradients, of a shape that goes with (steps, d).

    Returns:
      "path", the weights before the first step and after each, shape (steps + 1, d);
      "error", the loss at these, shape (steps + 1,); "gradient" that each step was
      taken with, shape (steps, d); and by its name each component.
    """
    first = jnp.asarray(start)

    def step(carry, disturbance):
        w, before = carry
        error, slope = jax.value_and_grad(loss)(w)
        gradient = slope + disturbance
        updates, after = optimizer.update(gradient, before, w)
        taken = Step(gradient, jnp.asarray(updates), before, after, values)
        seen = {name: read(taken) for name, read in components.items()}
        seen |= {"path": w, "error": error, "gradient": gradient}
        return (optax.apply_updates(w, updates), after), seen

    (last, _), seen = jax.lax.scan(
        step,
        (first, optimizer.init(first)),
        jnp.broadcast_to(jnp.asarray(noise, first.dtype), (steps, *first.shape)),
    )
    return {
        **seen,
        "path": jnp.concatenate([seen["path"], last[None]]),
        "error": jnp.append(seen["error"], loss(last)),
    }


def trajectory(
    surface: Surface,
    method: Method,
    values: Mapping[str, Value],
    start: Point,
    steps: int,
    noise: float = 0.0,
    seed: int = 0,
) -> Trajectory:
    """The path of an optimizer over a surface.

    Args:
      surface: the loss.
      method: the optimizer.
      values: of its sliders and choices; those left out have their defaults.
      start: the first weights.
      steps: how many to take, from 1 to `MAX_STEPS`.
      noise: standard deviation of what is added to each component of each gradient.
      seed: of the noise, which is the same for all optimizers; at least 0.

    Raises:
      ConfigError: a value is out of its range.
      ValueError: so is `steps`.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"steps must lie between 1 and {MAX_STEPS}, got {steps}.")
    complete = method.checked(values)
    choices = tuple((c.name, complete[c.name]) for c in method.choices)
    numbers = {slider.name: complete[slider.name] for slider in method.sliders}
    length = next(n for n in LENGTHS if n >= steps)
    run = _compiled(surface.formula, method, choices)
    with jax.enable_x64(True):
        disturbances = _disturbances(length, float(noise), seed)
        seen = run(numbers, np.array(start, float), disturbances)
        seen, taken, oscillation = jax.device_get(
            (seen, *_measure(seen["path"], seen["error"], steps))
        )
    points, losses = seen["path"], seen["error"]
    last = max(int(taken), 0)
    diverged_at = last + 1 if 0 <= taken < steps else 0 if taken < 0 else None
    gaps = points[last] - np.array(surface.minima)
    return Trajectory(
        points=points[: last + 1],
        losses=losses[: last + 1],
        components={name: seen[name][:last] for name, _ in method.components},
        oscillation=float(oscillation),
        final_loss=float(losses[last]),
        distance=float(np.linalg.norm(gaps, axis=1).min()),
        diverged_at=diverged_at,
        notice=_notice(method, start, diverged_at)
        or _left(surface, method, points[last], losses[last]),
    )


def _notice(method: Method, start: Point, diverged_at: int | None) -> str | None:
    if diverged_at is None:
        return None
    if diverged_at == 0:
        return (
            f"The loss is no finite number at the start ({start[0]:g}, {start[1]:g}), "
            f"so {method.label} cannot take a step."
        )
    return (
        f"{method.label} left the finite numbers in step {diverged_at}, so its path "
        f"ends there; a smaller learning rate may keep it."
    )


def _left(
    surface: Surface, method: Method, end: np.ndarray, loss: np.ndarray
) -> str | None:
    lows, highs = np.array(surface.bounds).T
    if (lows <= end).all() and (end <= highs).all():
        return None
    return (
        f"{method.label} leaves the view and ends at ({end[0]:.3g}, {end[1]:.3g}), "
        f"where the loss is {loss:.3g}."
    )


@functools.partial(jax.jit, static_argnums=0)
def _disturbances(length: int, noise: jax.Array, seed: jax.Array) -> jax.Array:
    return noise * jax.random.normal(jax.random.key(seed), (length, 2))


# A page that is open for days sees many formulas: what is compiled must not pile up.
@functools.lru_cache(maxsize=64)
def _compiled(loss: Formula, method: Method, choices: tuple[tuple[str, Value], ...]):
    """The path, as a function of everything that is a number.

    Compiled is no more than has to be for every formula anew, and that in a hurry: most
    of the time would go into polishing a loop that runs for milliseconds.
    """

    @functools.partial(jax.jit, compiler_options=OPTIONS)
    def run(numbers: Mapping[str, jax.Array], start, disturbances):
        return walk(
            lambda w: loss(w[0], w[1]),
            method.call.build(values := {**numbers, **dict(choices)}),
            start,
            len(disturbances),
            dict(method.components),
            values,
            disturbances,
        )

    return run


@jax.jit
def _measure(points, losses, steps) -> tuple[jax.Array, jax.Array]:
    """How many of the first `steps` end in finite numbers, -1 if none begins; and Q."""
    numbers = jnp.concatenate([points, losses[:, None]], axis=1)
    finite = jnp.all(jnp.abs(numbers) <= jnp.finfo(jnp.float32).max, axis=1)
    until = jnp.where(jnp.all(finite), finite.size, jnp.argmin(finite))
    taken = jnp.minimum(steps, until - 1)
    updates = jnp.diff(points, axis=0)
    # What `optax_sign.track_oscillation` would have added up on the way.
    going = jnp.arange(len(updates))[:, None] < taken
    window = optax_sign.TrackOscillationState(
        count=taken,
        path=jnp.sum(jnp.where(going, jnp.abs(updates), 0), axis=0),
        displacement=jnp.sum(jnp.where(going, updates, 0), axis=0),
    )
    return taken, optax_sign.oscillation(window).mean
