"""The variance of a layer's gradient over a mini-batch, found in its backward pass."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from optax_sign._moments import at_least_float32, squared_magnitude, widen

ExampleGradient = Callable[[jax.Array, jax.Array], jax.Array]


class Probes(NamedTuple):
    """Zeros that a layer ignores; what it returns as their gradient is the variance."""

    kernel: jax.Array  # shape of the kernel, real, float32 or wider
    bias: jax.Array | None  # shape of the bias, likewise; None where there is none


def probed(
    layer: Callable[[jax.Array, jax.Array], jax.Array],
    example_gradient: ExampleGradient,
) -> Callable[[jax.Array, jax.Array, Probes], jax.Array]:
    """Let the backward pass of a layer measure variances beside its gradients.

    Args:
      layer: ``layer(x, kernel)``, linear in both; ``x`` and the result hold ``B``
        examples along their first axis. A bias is added to the result by the caller.
      example_gradient: the kernel's gradient from one example, from its ``x`` and
        the gradient of its output.

    Returns:
      ``f(x, kernel, probes)``, which is ``layer(x, kernel)``. Where a mean of ``B``
      losses is differentiated, each of which depends on its own example, the gradient
      at ``probes`` is the variance of that at kernel and bias.
    """

    @jax.custom_vjp
    def apply(x, kernel, probes):
        return layer(x, kernel)

    def forward(x, kernel, probes):
        y, pullback = jax.vjp(layer, x, kernel)
        return y, (x, probes, pullback)

    def backward(residuals, cotangents):
        x, probes, pullback = residuals
        dx, gradient = pullback(cotangents)
        if x.ndim == 2:
            kernel = _variance_of_products(x, cotangents, gradient)
        else:
            kernel = _variance_by_example(example_gradient, x, cotangents, gradient)
        bias = probes.bias
        if bias is not None:
            bias = _bias_variance(cotangents).astype(bias.dtype)
        return dx, gradient, Probes(kernel.astype(probes.kernel.dtype), bias)

    apply.defvjp(forward, backward)
    return apply


# The cotangents of the mean loss are those of the examples' own losses, divided by B.


def _variance_of_products(x, cotangents, mean):
    """For gradients that are outer products, x_k d_k: the squares are products too.

    The square of the mean is taken off, so where the mean is some thousand times the
    deviation no digit is left; the result is cut at 0 then.
    """
    size = len(x)
    x, d = widen(x), widen(cotangents)
    if mean.dtype != jnp.result_type(x, d):  # it is rounded
        mean = x.T @ d
    second = squared_magnitude(x).T @ squared_magnitude(size * d) / size
    return jnp.maximum(second - squared_magnitude(mean), 0) / (size - 1)


def _variance_by_example(example_gradient, x, cotangents, like):
    """One gradient at a time (Welford, 1962): centred, so that any mean will do."""
    size = len(x)
    mean = jnp.zeros_like(like, dtype=at_least_float32(x, cotangents))

    def step(carry, example):
        mean, squares = carry
        number, x, d = example
        gradient = example_gradient(widen(x), size * widen(d))
        deviation = gradient - mean
        mean = mean + deviation / number
        squares = squares + jnp.real(deviation * jnp.conj(gradient - mean))
        return (mean, squares), None

    numbers = jnp.arange(1, size + 1, dtype=mean.real.dtype)
    start = (mean, jnp.zeros_like(mean.real))
    (_, squares), _ = lax.scan(step, start, (numbers, x, cotangents))
    return squares / (size * (size - 1))


def _bias_variance(cotangents):
    size = len(cotangents)
    middle = tuple(range(1, cotangents.ndim - 1))
    gradients = size * jnp.sum(widen(cotangents), axis=middle)
    deviations = gradients - jnp.mean(gradients, axis=0, keepdims=True)
    return jnp.sum(squared_magnitude(deviations), axis=0) / (size * (size - 1))


def dense_gradient(x: jax.Array, d: jax.Array) -> jax.Array:
    """The gradient of a dense kernel from one example, [..., in] and [..., out]."""
    return x.reshape(-1, x.shape[-1]).T @ d.reshape(-1, d.shape[-1])


def convolution_gradient(
    shape: Sequence[int],
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    x: jax.Array,
    d: jax.Array,
    *,
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    feature_group_count: int,
    **_: Any,
) -> jax.Array:
    """The gradient of a convolution's kernel from one example.

    A matrix product over the positions of the window, whose taps are gathered first:
    XLA:CPU runs it an order of magnitude faster than the convolution that it is.

    Args:
      shape: of the kernel, ``[*window, in / groups, out]``.
      strides: one for each spatial axis.
      padding: a name that ``jax.lax.padtype_to_pads`` knows, or (low, high) pairs.
      x: the inputs, ``[*sizes, in]``.
      d: the gradient of the outputs, ``[*sizes, out]``.
      lhs_dilation: of the inputs.
      rhs_dilation: of the kernel.
      feature_group_count: groups into which channels are divided.
      **_: further options of ``jax.lax.conv_general_dilated``, of no effect here.
    """
    window, groups = shape[:-2], feature_group_count
    *sizes, channels = x.shape
    *outs, features = d.shape
    pads = padding
    if isinstance(pads, str):
        reach = [(k - 1) * r + 1 for k, r in zip(window, rhs_dilation, strict=True)]
        pads = lax.padtype_to_pads(sizes, reach, strides, pads)
    spread = [
        (low, high, dilation - 1)
        for (low, high), dilation in zip(pads, lhs_dilation, strict=True)
    ]
    x = lax.pad(x, jnp.zeros((), x.dtype), [*spread, (0, 0, 0)])
    taps = []
    for tap in itertools.product(*map(range, window)):
        begin = [i * r for i, r in zip(tap, rhs_dilation, strict=True)]
        geometry = zip(begin, outs, strides, strict=True)
        end = [b + (n - 1) * s + 1 for b, n, s in geometry]
        taps.append(lax.slice(x, (*begin, 0), (*end, channels), (*strides, 1)))
    columns = jnp.concatenate(taps, axis=-1)
    columns = columns.reshape(-1, len(taps), groups, channels // groups)
    d = d.reshape(-1, groups, features // groups)
    return jnp.einsum("ptgi,pgo->tigo", columns, d).reshape(shape)
