"""A walk of an optimizer over an error function, with all that is seen on the way."""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import optax


def walk(
    error: Callable[[jax.Array], jax.Array],
    method: optax.GradientTransformation,
    start: Sequence[float],
    steps: int,
    components: Sequence[str] = (),
) -> Mapping[str, jax.Array]:
    """Takes steps of a method down an error function.

    Args:
      error: a number for the weights, shape (d,).
      method: an optimizer that does its own scaling by the rate.
      start: the first weights.
      steps: how many.
      components: fields of the method's state to be kept.

    Returns:
      "path", the weights before the first step and after each, shape (steps + 1, d);
      "error" at these, shape (steps + 1,); "gradient" that each step was taken with,
      shape (steps, d); and by its name each component, after each step.
    """

    def step(carry, _):
        w, state = carry
        gradient = jax.grad(error)(w)
        updates, state = method.update(gradient, state, w)
        seen = {name: optax.tree.get(state, name) for name in components}
        w = optax.apply_updates(w, updates)
        return (w, state), {"path": w, "gradient": gradient, **seen}

    first = jnp.array(start)
    carry = (first, method.init(first))
    seen = jax.lax.scan(step, carry, length=steps)[1]
    seen["path"] = jnp.concatenate([first[None], seen["path"]])
    return {**seen, "error": jax.vmap(error)(seen["path"])}
