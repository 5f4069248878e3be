"""The state that a recurrent network carries from one batch to the next."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

PyTree = Any


class Carry(nnx.Variable):
    """State of a recurrent layer after its last batch, [streams, units].

    A network with such variables reads as many streams side by side: example i of a
    batch goes on where example i of the batch before it ended.
    """


def positions(network: nnx.Module) -> PyTree:
    """A bool for each variable that is neither weight nor key: whether it is carried.

    The tree is that of these variables, as pure values.
    """
    *_, other = nnx.split(network, nnx.Param, nnx.RngState, ...)
    return nnx.from_flat_state(
        {path: isinstance(value, Carry) for path, value in nnx.to_flat_state(other)}
    )


def streams(network: nnx.Module) -> int | None:
    """How many streams the network reads side by side, None if it carries nothing."""
    carries = nnx.to_flat_state(nnx.state(network, Carry))
    return carries[0][1].shape[0] if len(carries) else None


def reset(other: PyTree, carried: PyTree, when: jax.typing.ArrayLike = True) -> PyTree:
    """Sets what is carried to zero, where a stream starts, and leaves the rest.

    Args:
      other: values of the network's variables.
      carried: a bool for each of them, from `positions`.
      when: bool [], whether a stream starts.
    """
    return jax.tree.map(
        lambda is_carried, x: jnp.where(when, 0, x) if is_carried else x, carried, other
    )
