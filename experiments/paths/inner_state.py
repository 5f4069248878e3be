"""What goes on inside an optimizer at a step: m, v, γ, a_t, the sign, the step size.

Each function takes a `Step` and returns an array of shape (2,), one number a weight.
Everything is read from the state that the optimizer keeps and from the updates that it
makes, nothing is computed a second time, but a_t: its link is asked again, as what the
sphere does to the updates of AdaRem-S afterwards hides it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import optax_sign


class Step(NamedTuple):
    """One step of an optimizer.

    Attributes:
      gradient: shape (2,), with its noise.
      updates: shape (2,), what was added to the weights.
      before: the state that the step began with.
      after: the state that it left behind.
      values: the hyper-parameters.
    """

    gradient: jax.Array
    updates: jax.Array
    before: Any
    after: Any
    values: Mapping[str, Any]


def kept(name: str) -> Callable[[Step], jax.Array]:
    """Reads what the optimizer keeps under this name, after the step."""
    return lambda step: optax.tree.get(step.after, name)


def first_moment(step: Step) -> jax.Array:
    """The average m of the gradients as it is stored, before its bias correction."""
    average = optax.tree.get(step.after, "ema")
    return _kept_for_weights(step.after, "mu") if average is None else average


def sign(step: Step) -> jax.Array:
    """The sign of the direction: against that of the updates."""
    return -jnp.sign(step.updates)


def factor_of_gradient(step: Step) -> jax.Array:
    """γ of a method that multiplies the gradient by it; 0 where that is 0."""
    return _ratio(step, step.gradient)


def factor_of_momentum(step: Step) -> jax.Array:
    """γ of a method that multiplies the bias-corrected momentum by it."""
    count = optax.tree.get(step.after, "count")
    mean = first_moment(step)
    return _ratio(step, optax.tree.bias_correction(mean, step.values["beta"], count))


def factor_of_sign(step: Step) -> jax.Array:
    """γ of a method that multiplies a sign by it."""
    return jnp.abs(step.updates) / step.values["learning_rate"]


def resilience(step: Step) -> jax.Array:
    """a_t: what AdaRem multiplies the gradient by; 1 where that is 0."""
    link = optax_sign.scale_by_resilience(step.values["beta"], step.values["decay"])
    before = _kept_for_weights(step.before, "ScaleByResilienceState")
    scaled: Any = link.update(step.gradient, before)[0]
    moves = step.gradient != 0
    return jnp.where(moves, scaled / jnp.where(moves, step.gradient, 1), 1)


def _ratio(step: Step, direction: jax.Array) -> jax.Array:
    """The length of the update over that of the rate times `direction`."""
    moves = direction != 0
    length = step.values["learning_rate"] * jnp.where(moves, direction, 1)
    return jnp.where(moves, -step.updates / length, 0)


def _kept_for_weights(state: Any, name: str) -> Any:
    """What is kept under this name; AdaRem-S has one more of each, for no weights."""

    def there(path, kept) -> bool:
        return isinstance(getattr(kept, "mu", kept), jax.Array)

    return optax.tree.get(state, name, filtering=there)
