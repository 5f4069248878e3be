"""The oscillation index Q in windows, for the figures of the AdaRem paper."""

import jax
import jax.numpy as jnp
import optax

import optax_sign


def track_in_windows(steps: int) -> optax.GradientTransformationExtraArgs:
    """`optax_sign.track_oscillation`, begun anew after every `steps` updates.

    At the end of a window `optax_sign.oscillation` reads its Q off the state.
    """
    window = optax_sign.track_oscillation()

    def update(updates, state, params=None, **extra_args):
        over = state.count == steps
        state = jax.tree.map(lambda x: jnp.where(over, jnp.zeros_like(x), x), state)
        return window.update(updates, state, params, **extra_args)

    return optax.GradientTransformationExtraArgs(window.init, update)
