"""Leaves of several layers, taken apart and put together again."""

import math

import numpy as np


def cut(leaves, axes):
    """Every layer of every leaf as a leaf of its own, in C order."""
    layers = []
    for leaf, own in zip(leaves, axes, strict=True):
        first = np.moveaxis(leaf, own, range(len(own)))
        layers.extend(first.reshape(-1, *first.shape[len(own) :]))
    return layers


def join(layers, like, axes):
    """Undo `cut` of leaves shaped ``like`` these."""
    layers, leaves = iter(layers), []
    for leaf, own in zip(like, axes, strict=True):
        counts = [leaf.shape[k] for k in own]
        own_layers = np.stack([next(layers) for _ in range(math.prod(counts))])
        first = own_layers.reshape((*counts, *own_layers.shape[1:]))
        leaves.append(np.moveaxis(first, range(len(own)), own))
    return leaves
