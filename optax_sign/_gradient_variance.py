"""Loss, gradient and the gradient's variance within one mini-batch."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from optax_sign import _moments, _trees
from optax_sign._checks import check_batch_size, check_count


def value_and_grad_and_variance(
    loss_fn: Callable[..., jax.Array], chunk_size: int | None = None
) -> Callable[..., tuple[jax.Array, Any, Any]]:
    r"""Make a function for loss, mean gradient and the variance of that mean.

    For a batch of :math:`B` examples with gradients :math:`g_k`:

    .. math::
      g = \frac{1}{B} \sum_k g_k, \qquad
      \hat s = \frac{1}{B (B - 1)} \sum_k |g_k - g|^2

    :math:`\hat s` is the unbiased estimate of the variance of :math:`g`, which
    ``update(..., variance=...)`` of a ``variance="mini_batch"`` optimizer takes.
    Sums are centred, so a large mean costs no accuracy.

    Args:
      loss_fn: ``loss_fn(params, *example)``, the scalar loss of ONE example.
      chunk_size: number of examples whose gradients are held at once, at least 1;
        ``None`` holds all of them. Memory is ``chunk_size`` times the parameters.

    Returns:
      ``f(params, *batch) -> (loss, gradient, variance)``, where the arrays of
      ``batch`` have the shape ``(B, ...)``, ``loss`` is the mean, ``gradient`` is
      like ``params`` and ``variance`` too, but real and float32 or wider. Both have
      ``None`` for what is no floating array in a whole model.

    Raises:
      ValueError: ``chunk_size`` is out of range, a batch has fewer than two
        examples, or its arrays differ in length.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), appendix D.

    >>> import jax.numpy as jnp
    >>> from optax_sign import value_and_grad_and_variance
    >>> squared_error = lambda w, x: (w - x) ** 2 / 2
    >>> f = value_and_grad_and_variance(squared_error)
    >>> loss, gradient, variance = f(jnp.array(0.0), jnp.array([1.0, 3.0]))
    >>> float(loss), float(gradient), float(variance)
    (2.5, -2.0, 1.0)
    """
    if chunk_size is not None:
        check_count("chunk_size", chunk_size)
    per_example = jax.value_and_grad(loss_fn)

    def chunk_moments(params, chunk):
        """Mean loss, mean gradient and sum of squared deviations of a chunk."""
        in_axes = (None,) + (0,) * len(chunk)
        losses, gradients = jax.vmap(per_example, in_axes)(params, *chunk)
        losses, gradients = jax.tree.map(_moments.widen, (losses, gradients))
        means = jax.tree.map(lambda g: jnp.mean(g, axis=0), gradients)
        apart = jax.tree.map(lambda g, m: g - m[None], gradients, means)
        squares = jax.tree.map(_moments.squared_magnitude, apart)
        deviations = jax.tree.map(lambda s: jnp.sum(s, axis=0), squares)
        return jnp.mean(losses), means, deviations

    def value_grad_variance(params, *batch):
        trainable = _trees.trainable(params)
        if trainable is not params:

            def whole_loss(trainable, *example):
                return loss_fn(_trees.fill(trainable, params), *example)

            again = value_and_grad_and_variance(whole_loss, chunk_size)
            return again(trainable, *batch)
        size = _batch_size(batch)
        chunk = size if chunk_size is None else min(int(chunk_size), size)
        whole = size - size % chunk
        moments = chunk_moments(params, jax.tree.map(lambda x: x[:chunk], batch))

        def step(carry, items):
            done, moments = carry
            new = chunk_moments(params, items)
            return (done + chunk, _merge(moments, done, new, chunk)), None

        if whole > chunk:
            rest = jax.tree.map(
                lambda x: x[chunk:whole].reshape(-1, chunk, *x.shape[1:]), batch
            )
            start = (jnp.asarray(chunk, float), moments)
            (_, moments), _ = jax.lax.scan(step, start, rest)
        if whole < size:
            last = chunk_moments(params, jax.tree.map(lambda x: x[whole:], batch))
            moments = _merge(moments, whole, last, size - whole)
        loss, means, deviations = moments
        variance = jax.tree.map(lambda d: d / (size * (size - 1)), deviations)
        return loss, optax.tree.cast_like(means, params), variance

    return value_grad_variance


def _merge(left, left_size, right, right_size):
    """The moments of two groups of examples together (Chan et al., 1979)."""
    share = right_size / (left_size + right_size)

    def mean(a, b):
        return a + jnp.asarray(share, a.real.dtype) * (b - a)

    def deviation(d, e, a, b):
        weight = jnp.asarray(share * left_size, d.dtype)
        return d + e + weight * _moments.squared_magnitude(b - a)

    loss, means, deviations = left
    new_loss, new_means, new_deviations = right
    return (
        mean(loss, new_loss),
        jax.tree.map(mean, means, new_means),
        jax.tree.map(deviation, deviations, new_deviations, means, new_means),
    )


def _batch_size(batch):
    sizes = {jnp.shape(x)[0] if jnp.ndim(x) else 0 for x in jax.tree.leaves(batch)}
    if len(sizes) != 1:
        raise ValueError(
            f"batch must hold arrays of one length, got lengths {sorted(sizes)}."
        )
    return check_batch_size(sizes.pop())
