"""Random bits without a key: a hash of the step and of where in its leaf a number is.

The index is that of the whole array, so that the bits, and all that is made of them,
are the same on any number of devices, under jit, in a scan and under vmap.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def random_bits(
    shape: tuple[int, ...], step: ArrayLike, leaf: int = 0, seed: ArrayLike = 0
) -> jax.Array:
    """32 bits for each element, uint32; independent for another step, leaf or seed."""
    key = jnp.uint32(0x9E3779B9)  # 0 is what the hash leaves as it is
    for word in (seed, leaf, step):
        key = _mix(key ^ _as_word(word))
    index, stride = jnp.zeros(shape, jnp.uint32), 1
    # Axis by axis, as what is made along an axis can be cut along it.
    for axis in reversed(range(len(shape))):
        along = jax.lax.broadcasted_iota(jnp.uint32, shape, axis)
        index += along * jnp.uint32(stride % 2**32)
        stride *= shape[axis]
    return _mix(index ^ key)


def _as_word(number):
    number = number % 2**32 if isinstance(number, int) else number
    return jnp.asarray(number, jnp.uint32)


def _mix(x):
    """A one-to-one hash: every bit in turns about half of the bits out.

    Shifts and factors are those that a search found with the least bias of all of this
    form: https://github.com/skeeto/hash-prospector (a comment of 2020 by TheIronBorn).
    """
    x = (x ^ (x >> 16)) * jnp.uint32(0x21F0AAAD)
    x = (x ^ (x >> 15)) * jnp.uint32(0x735A2D97)
    return x ^ (x >> 15)
