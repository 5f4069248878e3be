"""Convolution and max-pooling that XLA runs fast on a CPU.

Drop-ins for `jax.lax.conv_general_dilated` and `flax.nnx.max_pool`. They compute what
the originals compute, written so that XLA:CPU finds its fast kernels:

- Autodiff asks for the weight gradient of a convolution with permuted dimension
  numbers. Inside `lax.scan` XLA:CPU then falls back to a naive loop, up to 80 times
  slower. Here the arrays are transposed first, so that every convolution is plain NHWC.
- The gradient of a pooling window is `select_and_scatter`, another naive loop. Here the
  forward pass keeps which tap won, one byte each, and the backward pass routes by it.

On other backends the originals are called. The choice is made by
`jax.default_backend()` while tracing, not by `lax.platform_dependent`: that would store
the residuals of both branches, and since both give the same numbers a program
traced for another platform than the default one loses speed, not correctness.

As with every `jax.custom_vjp`, forward-mode differentiation (`jax.jvp`, `jax.jacfwd`)
is not available on the fast path; `jax.vmap` and reverse over reverse are.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

_NHWC = ("NHWC", "HWIO", "NHWC")
_LARGEST_WINDOW = 7  # Each tap of a pooling window is unrolled.

Pads = tuple[tuple[int, int], ...]


def conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    dimension_numbers: Any = None,
    **options: Any,
) -> jax.Array:
    """Convolves as `jax.lax.conv_general_dilated` does, with fast gradients on a CPU.

    Two-dimensional NHWC convolutions of float32 or float64 without dilation, groups or
    further options take the fast path; everything else is passed on.
    """
    numbers = partial(lax.conv_dimension_numbers, lhs.shape, rhs.shape)
    if (
        jax.default_backend() == "cpu"
        # No dilation, one group.
        and all(option in (None, 1, (1, 1)) for option in options.values())
        and lhs.ndim == 4
        and lhs.dtype == rhs.dtype
        and lhs.dtype in (jnp.float32, jnp.float64)
        and numbers(dimension_numbers) == numbers(_NHWC)
    ):
        sizes, kernel, strides = lhs.shape[1:3], rhs.shape[:2], tuple(window_strides)
        pads = _pads(sizes, kernel, strides, padding)
        if _fits(sizes, kernel, pads):
            return _conv(*_vary_alike(lhs, rhs), strides, pads)
    return lax.conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        dimension_numbers=dimension_numbers,
        **options,
    )


Conv = partial(nnx.Conv, conv_general_dilated=conv_general_dilated)


def _pads(sizes, window, strides, padding) -> Pads:
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(sizes, window, strides, padding)
    return tuple((low, high) for low, high in padding)


def _fits(sizes, window, pads) -> bool:
    """Whether the window finds a place in the padded array."""
    geometry = zip(sizes, window, pads, strict=True)
    return all(low + size + high >= taps for size, taps, (low, high) in geometry)


def _vary_alike(*arrays: jax.Array) -> list[jax.Array]:
    """Marks arrays as varying over the same axes of a `jax.shard_map`.

    The primitives of lax do this themselves; a custom gradient has to be told, or the
    gradient of an array that all devices share would not be summed over them.
    """
    varying = [jax.typeof(array).manual_axis_type.varying for array in arrays]
    axes = frozenset().union(*varying)
    return [
        lax.pcast(array, tuple(axes - already), to="varying")
        for array, already in zip(arrays, varying, strict=True)
    ]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _conv(x: jax.Array, w: jax.Array, strides: tuple[int, ...], pads: Pads):
    if w.shape[2] == 1:
        return _one_channel_conv(x, w, strides, pads)
    return lax.conv_general_dilated(x, w, strides, pads, dimension_numbers=_NHWC)


def _one_channel_conv(x, w, strides, pads):
    """Gathers the taps into a last axis and multiplies: XLA's kernel is 2x slower."""
    (rows, row_step), (columns, column_step) = zip(w.shape[:2], strides, strict=True)
    config = ((0, 0, 0), *((low, high, 0) for low, high in pads), (0, 0, 0))
    x = lax.pad(x, jnp.zeros((), x.dtype), config)
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    taps = [
        x[:, i : i + height : row_step, j : j + width : column_step]
        for i in range(rows)
        for j in range(columns)
    ]
    return jnp.concatenate(taps, axis=-1) @ w.reshape(rows * columns, -1)


def _conv_forward(x, w, strides, pads):
    return _conv(x, w, strides, pads), (x, w)


def _conv_backward(strides, pads, residuals, g):
    x, w = residuals
    kernel_pads, input_pads = [], []
    geometry = zip(x.shape[1:3], w.shape[:2], g.shape[1:3], strides, pads, strict=True)
    for size, kernel, out, stride, (low, _) in geometry:
        reach = (out - 1) * stride + 1  # Cotangents, spread by the stride.
        kernel_pads.append((low, kernel + reach - 1 - size - low))
        input_pads.append((kernel - 1 - low, size - reach + low))
    conv = partial(lax.conv_general_dilated, dimension_numbers=_NHWC)
    images, kernel = x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)
    dw = conv(images, kernel, (1, 1), kernel_pads, rhs_dilation=strides)
    turned = w[::-1, ::-1].transpose(0, 1, 3, 2)
    dx = conv(g, turned, (1, 1), input_pads, lhs_dilation=strides)
    return dx, dw.transpose(1, 2, 0, 3)


_conv.defvjp(_conv_forward, _conv_backward)


def max_pool(
    inputs: jax.Array,
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
) -> jax.Array:
    """Takes window maxima as `flax.nnx.max_pool` does, with a fast gradient on a CPU.

    The gradient goes to the first maximum of a window in row-major order, as XLA's.
    """
    window = tuple(window_shape)
    steps = tuple(strides or (1,) * len(window))
    sizes = inputs.shape[-1 - len(window) : -1]
    pads = _pads(sizes, window, steps, padding)
    if (
        jax.default_backend() == "cpu"
        and jnp.issubdtype(inputs.dtype, jnp.floating)
        and max(window) <= _LARGEST_WINDOW
        and _fits(sizes, window, pads)
    ):
        return _max_pool(inputs, window, steps, pads)
    return nnx.max_pool(inputs, window, steps, padding)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_pool(x: jax.Array, window: tuple[int, ...], strides: tuple[int, ...], pads):
    return _pool_forward(x, window, strides, pads)[0]


def _pool_forward(x, window, strides, pads):
    # One axis at a time, the last one first, so that ties go in row-major order.
    winners = []
    spatial = x.shape[-1 - len(window) : -1]
    axes = range(x.ndim - 1 - len(window), x.ndim - 1)
    geometry = [*zip(axes, window, strides, pads, strict=True)]
    for axis, taps, stride, pad in reversed(geometry):
        x, winner = _pool_axis(x, axis, taps, stride, pad)
        winners.append(winner)
    return x, (winners, spatial)


def _pool_axis(x, axis, taps, stride, pad):
    """Maxima along one axis, and for each the tap in which it was first found."""
    config = [(0, 0, 0)] * x.ndim
    config[axis] = (*pad, 0)
    x = lax.pad(x, jnp.array(-jnp.inf, x.dtype), config)
    reach = (x.shape[axis] - taps) // stride * stride + 1
    best = lax.slice_in_dim(x, 0, reach, stride, axis)
    winner = jnp.zeros(best.shape, jnp.int8)
    for tap in range(1, taps):
        candidate = lax.slice_in_dim(x, tap, tap + reach, stride, axis)
        winner = jnp.where(best >= candidate, winner, jnp.int8(tap))
        best = jnp.maximum(best, candidate)
    return best, winner


def _pool_backward(window, strides, pads, residuals, g):
    winners, spatial = residuals
    axes = range(g.ndim - 1 - len(window), g.ndim - 1)
    geometry = zip(axes, spatial, window, strides, pads, reversed(winners), strict=True)
    for axis, size, taps, stride, (low, _), winner in geometry:
        reach = (g.shape[axis] - 1) * stride + 1
        total = jnp.zeros((), g.dtype)
        for tap in range(taps):
            # Spreads the winners' cotangents by the stride and moves them to the tap.
            config = [(0, 0, 0)] * g.ndim
            config[axis] = (tap - low, size - reach - tap + low, stride - 1)
            won = jnp.where(winner == tap, g, 0)
            total = total + lax.pad(won, jnp.zeros((), g.dtype), config)
        g = total
    return (g,)


_max_pool.defvjp(_pool_forward, _pool_backward)
