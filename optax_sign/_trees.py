"""Trees as frameworks hand them out: whole models, variables, masks of any node."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from optax_sign._moments import is_none


def is_floating(node: Any) -> bool:
    """Tell an array of floating or complex numbers, or an NNX variable around one."""
    if not (hasattr(node, "shape") and hasattr(node, "dtype")):
        return False
    return jnp.issubdtype(node.dtype, jnp.inexact)


def floating(tree: Any) -> Any:
    """``tree``, and ``None`` for what is no floating array: a function, a size."""
    return jax.tree.map(lambda leaf: leaf if is_floating(leaf) else None, tree)


def trainable(params: Any) -> Any:
    """``params`` if JAX can differentiate by all leaves or none, else the floating."""
    leaves = jax.tree.leaves(params)
    if all(isinstance(leaf, float | complex) or is_floating(leaf) for leaf in leaves):
        return params
    arrays = floating(params)
    return arrays if jax.tree.leaves(arrays) else params


def fill(tree: Any, rest: Any) -> Any:
    """``tree``, and what ``rest`` has wherever ``tree`` has ``None``."""

    def leaf(own, other):
        return other if own is None else own

    return jax.tree.map(leaf, tree, rest, is_leaf=is_none)


def trained(params: Any, updates: Any) -> Any:
    """``params`` without what has neither an update nor floating numbers.

    So a whole model may be given where the gradient has ``None``, as to optax.adamw.
    """
    if params is None:
        return None

    def leaf(update, parameter):
        return floating(parameter) if update is None else parameter

    return jax.tree.map(leaf, updates, params, is_leaf=is_none)


def flags(name: str, mask: Any | Callable[[Any], Any], tree: Any) -> Any:
    """What ``mask``, or what it returns for ``tree``, says of each leaf of ``tree``.

    Leaves are found by their path, as nodes may differ: NNX optimizers begin with
    variables and go on with arrays, and a whole model has leaves that no gradient has.
    """
    if _is_function(mask):
        mask = mask(tree)
    given, boxed = {}, {}
    for path, flag in jax.tree.leaves_with_path(mask):
        given[_names(path)] = flag
        if path and isinstance(path[-1], jax.tree_util.GetAttrKey):
            # A variable around the flag; two below one node tell nothing of a leaf.
            parent = _names(path[:-1])
            boxed[parent] = None if parent in boxed else flag

    def find(path, _):
        names = _names(path)
        for end in range(len(names), -1, -1):  # the flag of a node is all its leaves'
            if names[:end] in given:
                return given[names[:end]]
        if boxed.get(names) is None:
            raise ValueError(
                f"{name} must have a bool for each parameter, got none for "
                f"{jax.tree_util.keystr(path) or 'the only one'}."
            )
        return boxed[names]

    return jax.tree.map_with_path(find, tree)


def _is_function(mask):
    """Tell a function of the parameters from a tree, such as a model with a call."""

    def is_bool(leaf):
        return isinstance(leaf, bool) or getattr(leaf, "dtype", None) == "bool"

    return callable(mask) and not any(map(is_bool, jax.tree.leaves(mask)))


def _names(path):
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in path)
