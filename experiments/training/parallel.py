"""Functions of one seed laid over a mesh of devices, one seed a device.

What belongs to the seeds is stacked along a leading axis, which the mesh splits; what
they share is copied to every device.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

PyTree = Any
SEEDS = PartitionSpec("seeds")
SHARED = PartitionSpec()


def mesh(devices: Sequence[jax.Device]) -> Mesh:
    """A mesh of these devices in a row."""
    return Mesh(np.asarray(devices), ("seeds",))


def lay(
    function: Callable, mesh: Mesh, shared: int = 0, donate: tuple[int, ...] = ()
) -> jax.stages.Wrapped:
    """The jitted function of many seeds made from a function of one.

    Args:
      function: takes what belongs to its seed first, then what all seeds share.
      mesh: as many devices as there are seeds.
      shared: how many of the arguments, the last ones, are shared.
      donate: numbers of the arguments whose memory the results may take.
    """

    def on_device(*arguments: PyTree) -> PyTree:
        own = arguments[: len(arguments) - shared]
        own = jax.tree.map(lambda x: x[0], own)
        result = function(*own, *arguments[len(own) :])
        return jax.tree.map(lambda x: x[None], result)

    def laid(*arguments: PyTree) -> PyTree:
        seeds = (SEEDS,) * (len(arguments) - shared)
        return jax.shard_map(
            on_device,
            mesh=mesh,
            in_specs=(*seeds, *(SHARED,) * shared),
            out_specs=SEEDS,
            check_vma=False,  # loops start from constants, which are not of a device
        )(*arguments)

    return jax.jit(laid, donate_argnums=donate)


def keys(seeds: Sequence[int], mesh: Mesh) -> jax.Array:
    """One key a seed."""
    stacked = jnp.stack([jax.random.key(seed) for seed in seeds])
    return jax.device_put(stacked, NamedSharding(mesh, SEEDS))


def share(tree: PyTree, mesh: Mesh) -> PyTree:
    """Copies what all seeds share to their devices."""
    return jax.device_put(tree, NamedSharding(mesh, SHARED))


def abstract(tree: PyTree, mesh: Mesh) -> PyTree:
    """Shapes, dtypes and places of what is stacked, from those of one seed."""
    place = NamedSharding(mesh, SEEDS)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((mesh.size, *x.shape), x.dtype, sharding=place),
        tree,
    )


def stack(trees: Sequence[PyTree], mesh: Mesh) -> PyTree:
    """Puts what belongs to each seed on its device."""
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
    return jax.device_put(stacked, NamedSharding(mesh, SEEDS))


def take(tree: PyTree, index: int) -> PyTree:
    """What belongs to one seed, copied to the host."""

    def one(leaf: jax.Array) -> np.ndarray:
        (shard,) = (
            s for s in leaf.addressable_shards if s.index[0].start in (index, None)
        )
        return np.array(shard.data)[0, ...]  # of no dimensions still an array

    return jax.tree.map(one, tree)
