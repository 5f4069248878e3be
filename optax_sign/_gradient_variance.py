"""Loss, gradient and the gradient's variance within one mini-batch."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from optax_sign import _moments, _trees
from optax_sign._checks import check_batch_size, check_count, loss_and_aux


def value_and_grad_and_variance(
    loss_fn: Callable[..., Any],
    chunk_size: int | None = None,
    *,
    in_axes: Any = 0,
    has_aux: bool = False,
) -> Callable[..., tuple[Any, Any, Any]]:
    r"""Make a function for loss, mean gradient and the variance of that mean.

    For a batch of :math:`B` examples with gradients :math:`g_k`:

    .. math::
      g = \frac{1}{B} \sum_k g_k, \qquad
      \hat s = \frac{1}{B (B - 1)} \sum_k |g_k - g|^2

    :math:`\hat s` is the unbiased estimate of the variance of :math:`g`, which
    ``update(..., variance=...)`` of a ``variance="mini_batch"`` optimizer takes.
    Sums are centred, so a large mean costs no accuracy.

    Args:
      loss_fn: ``loss_fn(params, *example, **more)``, the scalar loss of ONE example.
      chunk_size: number of examples whose gradients are held at once, at least 1;
        ``None`` holds all of them. Memory is ``chunk_size`` times the parameters.
      in_axes: as in ``jax.vmap``, the axis of the examples in each argument after
        ``params``: an int; ``None`` for what all examples share and ``loss_fn`` gets as
        it is, be it an array or not; or a tuple of these, or of trees of them, one for
        each. Keywords always have their examples along axis 0.
      has_aux: ``loss_fn`` returns ``(loss, aux)``, as for ``jax.value_and_grad``.

    Returns:
      ``f(params, *batch, **more) -> (loss, gradient, variance)``, where the arrays of
      ``batch`` have the shape ``(B, ...)``, ``loss`` is the mean, ``gradient`` is
      like ``params`` and ``variance`` too, but real and float32 or wider; both have
      ``None`` for what is no floating array in a whole model. With
      ``has_aux`` it is ``((loss, aux), gradient, variance)``, with the ``aux`` of all
      examples stacked: its arrays have the shape ``(B, ...)``.

    Raises:
      ValueError: ``chunk_size`` is out of range, ``in_axes`` does not fit the
        arguments, one of them lacks the axis that it names, a batch has fewer than two
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
    in_axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes

    def loss_of(params, batch, more):
        return loss_and_aux(loss_fn(params, *batch, **more), has_aux)

    def value_grad_variance(params, *batch, **more):
        trainable = _trees.trainable(params)
        if trainable is not params:

            def whole_loss(trainable, *example, **more):
                return loss_fn(_trees.fill(trainable, params), *example, **more)

            again = value_and_grad_and_variance(
                whole_loss, chunk_size, in_axes=in_axes, has_aux=has_aux
            )
            return again(trainable, *batch, **more)
        size, examples, arguments_of = _examples(in_axes, batch, more)
        chunk = size if chunk_size is None else min(int(chunk_size), size)
        whole = size - size % chunk

        def value_and_grad(params, example):
            measure = jax.value_and_grad(loss_of, has_aux=True)
            (loss, aux), gradient = measure(params, *arguments_of(example))
            return (loss, gradient), aux

        def chunk_moments(chunk):
            """Mean loss, mean gradient, sum of squared deviations; and each aux."""
            both, aux = jax.vmap(value_and_grad, (None, 0))(params, chunk)
            losses, gradients = jax.tree.map(_moments.widen, both)
            means = jax.tree.map(lambda g: jnp.mean(g, axis=0), gradients)
            apart = jax.tree.map(lambda g, m: g - m[None], gradients, means)
            squares = jax.tree.map(_moments.squared_magnitude, apart)
            deviations = jax.tree.map(lambda s: jnp.sum(s, axis=0), squares)
            return (jnp.mean(losses), means, deviations), aux

        def step(carry, items):
            done, moments = carry
            new, aux = chunk_moments(items)
            return (done + chunk, _merge(moments, done, new, chunk)), aux

        moments, *parts = chunk_moments(jax.tree.map(lambda x: x[:chunk], examples))
        if whole > chunk:
            rest = jax.tree.map(
                lambda x: x[chunk:whole].reshape(-1, chunk, *x.shape[1:]), examples
            )
            start = (jnp.asarray(chunk, float), moments)
            (_, moments), aux = jax.lax.scan(step, start, rest)
            parts.append(jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), aux))
        if whole < size:
            last, aux = chunk_moments(jax.tree.map(lambda x: x[whole:], examples))
            moments = _merge(moments, whole, last, size - whole)
            parts.append(aux)
        loss, means, deviations = moments
        variance = jax.tree.map(lambda d: d / (size * (size - 1)), deviations)
        if has_aux:
            loss = loss, jax.tree.map(lambda *parts: jnp.concatenate(parts), *parts)
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


def _examples(in_axes, batch, more):
    """The arrays that hold examples, these along axis 0; and what puts one in place."""
    paths, tree = jax.tree.flatten_with_path((batch, more), is_leaf=_moments.is_none)
    leaves = [leaf for _, leaf in paths]
    axes = _axes(in_axes, batch, more)
    examples = {
        place: _examples_first(path, leaf, axis)
        for place, ((path, leaf), axis) in enumerate(zip(paths, axes, strict=True))
        if axis is not None and leaf is not None
    }
    sizes = {len(leaf) for leaf in examples.values()}
    if len(sizes) != 1:
        raise ValueError(
            f"batch must hold arrays of one length, got lengths {sorted(sizes)}."
        )

    def arguments_of(example):
        filled = [example.get(place, leaf) for place, leaf in enumerate(leaves)]
        return jax.tree.unflatten(tree, filled)

    return check_batch_size(sizes.pop()), examples, arguments_of


def _axes(in_axes, batch, more):
    """The axis of the examples in each leaf, None where it has none."""

    def spread(axis, argument):
        if axis is not None and type(axis) is not int:
            raise ValueError
        return jax.tree.map(lambda _: (axis,), argument, is_leaf=_moments.is_none)

    groups = (in_axes, 0), (batch, more)
    try:
        axes = jax.tree.map(spread, *groups, is_leaf=_moments.is_none)
    except ValueError:
        raise ValueError(
            f"in_axes must be an int, None, or for the {len(batch)} arguments after "
            f"params a tuple of these or of trees of them, got {in_axes!r}."
        ) from None
    return jax.tree.leaves(axes, is_leaf=_moments.is_none)


def _examples_first(path, leaf, axis):
    if -np.ndim(leaf) <= axis < np.ndim(leaf):
        return jnp.moveaxis(leaf, axis, 0)
    (group, *_), names = path, jax.tree_util.keystr
    name, remedy = f"batch{names(path[1:])}", "in_axes is None for"
    if group.idx:  # of the keywords
        name = f"{path[1].key}{names(path[2:])}"
        remedy = "functools.partial(loss_fn, ...) takes as a keyword"
    got = f"shape {np.shape(leaf)}" if np.ndim(leaf) else repr(leaf)
    raise ValueError(
        f"{name} must have examples along axis {axis}, got {got}; {remedy} what all "
        f"examples share."
    )
