"""Leaves that hold several layers: which axes index them, and a number for each."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from numpy.lib.array_utils import normalize_axis_tuple

from optax_sign._checks import refuse


def _is_axes(node: Any) -> bool:
    """Tell what names axes: None, a whole number or a tuple of these."""
    axes = node if type(node) is tuple else () if node is None else (node,)
    return all(isinstance(a, numbers.Integral) and type(a) is not bool for a in axes)


def _is_function(batch_axes: Any) -> bool:
    """Tell a function from a tree that can be called, as a module is."""
    return callable(batch_axes) and jax.tree_util.all_leaves([batch_axes])


def _by_path(batch_axes: Any) -> dict[Any, Any]:
    """The axes in a tree of them by their place, which tells of masked leaves, too."""
    named = dict(jax.tree.leaves_with_path(batch_axes, is_leaf=_is_axes))
    for axes in named.values():
        if not _is_axes(axes):
            allowed = "None, axes (whole numbers), a tree of these or a function to one"
            refuse("batch_axes", allowed, axes)
    return named


def check_batch_axes(batch_axes: Any, scope: str = "leaf") -> None:
    """Raise unless these may be axes, and ``scope`` has a use for them."""
    if scope == "global" and batch_axes is not None:
        raise ValueError(
            f"batch_axes must be None where scope is 'global', got {batch_axes!r}."
        )
    if not _is_function(batch_axes):
        _by_path(batch_axes)


def axes_of(batch_axes: Any, tree: Any) -> Any:
    """The axes of each leaf of ``tree`` that index its layers, an ordered tuple."""
    named = _by_path(batch_axes(tree) if _is_function(batch_axes) else batch_axes)

    def leaf(path, parameter):
        above = [path[:k] for k in range(len(path) + 1) if path[:k] in named]
        if not above:
            raise ValueError(
                "batch_axes must be a tree like the parameters or a prefix of it, got "
                f"nothing for {jax.tree_util.keystr(path)}."
            )
        given, shape = named[above[-1]], jnp.shape(parameter)
        axes = () if given is None else given
        try:
            return tuple(sorted(normalize_axis_tuple(axes, len(shape))))
        except ValueError as error:
            raise ValueError(
                f"batch_axes must be axes of each leaf, none of them twice, got {axes} "
                f"for one of shape {shape}."
            ) from error

    return jax.tree.map_with_path(leaf, tree)


def each_layer(
    function: Callable[[Any], jax.Array], leaf: Any, axes: tuple[int, ...]
) -> jax.Array:
    """A number for each layer of ``leaf``, to broadcast; shape () where it is one."""
    if not axes:
        return function(leaf)
    for place, axis in reversed(list(enumerate(axes))):
        function = jax.vmap(function, axis - place)
    values = function(leaf)
    return jnp.expand_dims(values, [k for k in range(leaf.ndim) if k not in axes])


def all_layers(function: Callable[[Any], jax.Array], tree: Any, axes: Any) -> jax.Array:
    """A number for each layer of each leaf, in C order, shape (layers,).

    A vector and not a tree, so that ``tree.map_params`` and sharding rules do not take
    these numbers for parameters.
    """

    def leaf(parameter, own):
        values = each_layer(function, parameter, own)
        sharding = jax.typeof(values).sharding
        if any(sharding.spec):  # what is sharded by its type, joins nothing else
            values = jax.sharding.reshard(values, sharding.update(spec=PartitionSpec()))
        return values.ravel()

    each = jax.tree.leaves(jax.tree.map(leaf, tree, axes))
    return jnp.concatenate(each) if each else jnp.zeros([0], jnp.float32)


def per_leaf(values: jax.Array, tree: Any, scope: str, axes: Any) -> Any:
    """The numbers of its scope for each leaf of ``tree``, to broadcast against it."""
    if scope == "global":
        return jax.tree.map(lambda _: values, tree)
    leaves, structure = jax.tree.flatten(tree)
    shapes = [
        [n if k in own else 1 for k, n in enumerate(jnp.shape(leaf))] if own else []
        for leaf, own in zip(leaves, structure.flatten_up_to(axes), strict=True)
    ]
    ends = np.cumsum(list(map(math.prod, shapes)), dtype=int)
    parts = jnp.split(values, ends[:-1])
    return jax.tree.unflatten(structure, map(jnp.reshape, parts, shapes))
