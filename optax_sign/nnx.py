"""Flax NNX models: variances for half a gradient more, and scale-invariant weights.

The only module that needs Flax; ``import optax_sign`` does not load it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx import tracers
from flax.nnx.nn.dtypes import promote_dtype

from optax_sign import _checks, _moments, _nnx_checks, _nnx_layers
from optax_sign._nnx_mask import scale_invariant_mask

__all__ = ["scale_invariant_mask", "value_and_grad_and_variance"]


def value_and_grad_and_variance(
    loss_fn: Callable[..., Any], *, has_aux: bool = False
) -> Callable[..., tuple[Any, nnx.State, nnx.State]]:
    r"""Make a function for loss, mean gradient and the variance of that mean.

    For a batch of :math:`B` examples with gradients :math:`g_k`:

    .. math::
      g = \frac{1}{B} \sum_k g_k, \qquad
      \hat s = \frac{1}{B (B - 1)} \sum_k |g_k - g|^2

    What :func:`optax_sign.value_and_grad_and_variance` computes for any function is
    computed here for networks of ``nnx.Linear`` and ``nnx.Conv`` layers, in one
    backward pass of the whole batch. A dense layer with inputs :math:`a_k` and output
    gradients :math:`d_k` has :math:`\sum_k g_k^2 = (a^2)^\top d^2`, one more matrix
    product. A convolution, or a dense layer that sees several positions of an example,
    forms one :math:`g_k` after the other. The memory needed beyond that of the gradient
    is the variance and one layer's gradient of one example.

    Only the squares of a dense layer are not centred: where its mean gradient is some
    thousand times the deviation, float32 has no digit left of its variance, which is
    never negative though.

    Each loss must depend on its own example only, which attention or contrast between
    examples would break unnoticed. Parameters act through the calls of their layers;
    besides, they may only add the same to all losses, as L2 regularisation does, and
    other uses, as another layer's weights, are refused. Random
    numbers may differ between examples, so dropout is fine. Under ``jax.shard_map``
    each device measures the examples that it has.

    Args:
      loss_fn: ``loss_fn(model, *batch, **more)``, the losses of ALL examples, ``(B,)``.
        It calls each layer once at most, with the examples along the first axis of
        inputs of any rank, not inside ``jit``, ``vmap``, ``scan`` or ``remat``. It is
        also traced for a batch of twice the length, as layers whose first axis is
        another one of length ``B``, such as time, are told by that; this needs the
        arrays of the batch as arguments.
      has_aux: ``loss_fn`` returns ``(losses, aux)``, as for ``nnx.value_and_grad``.

    Returns:
      ``f(model, *batch, **more) -> (loss, gradient, variance)``, which hands on all
      arguments as they are, be they of examples or not; ``loss`` is the mean,
      ``gradient`` is that of ``nnx.grad`` and ``variance`` a state like it, but real
      and float32 or wider; both are 0 for a layer that is not called. With ``has_aux``
      it is ``((loss, aux), gradient, variance)``. As with ``nnx.grad``, the model
      keeps what the pass writes into variables that are not parameters, the counts of
      its random numbers above all.

    Raises:
      ValueError: parameters lie outside of ``nnx.Linear`` and ``nnx.Conv``, are shared,
        changed before use or used without their layer, there are batch statistics, a
        layer is called in a way named above, the losses have another shape than
        ``(B,)``, or there are fewer than two.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), appendix D.

    >>> import jax.numpy as jnp
    >>> import optax_sign.nnx
    >>> from flax import nnx
    >>> model = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
    >>> model.kernel[...] = jnp.zeros((1, 1))
    >>> squared_errors = lambda model, x, y: (model(x)[:, 0] - y) ** 2 / 2
    >>> f = optax_sign.nnx.value_and_grad_and_variance(squared_errors)
    >>> x, y = jnp.array([[1.0], [1.0]]), jnp.array([1.0, 3.0])
    >>> loss, gradient, variance = f(model, x, y)
    >>> float(loss), gradient["bias"][...].tolist(), variance["bias"][...].tolist()
    (2.5, [-2.0], [1.0])

    An optimizer takes all three:

    >>> optimizer = nnx.Optimizer(
    ...     model, optax_sign.m_svag(0.1, variance="mini_batch"), wrt=nnx.Param
    ... )
    >>> updates = optimizer.update(model, gradient, variance=variance)
    """

    def value_grad_variance(model, *batch, **more):
        _check_layers(model)
        graph, params, others = nnx.split(model, nnx.Param, ...)
        wide = jax.tree.map(_moments.widen, params)
        zeros = _moments.zeros_like(wide, None, real=True)

        def losses_of(calls, arguments, *trees):
            """The losses, of parameters elsewhere, of those in layers, of probes."""
            # Copies that belong to this trace; the caller's layers stay as they are.
            networks = [nnx.merge(graph, p, others, copy=True) for p in trees]
            for (name, layer), *twins in zip(*map(_layers, networks), strict=True):
                source, probe = (twin for _, twin in twins)
                _probe(layer, source, probe, name, calls)
            batch, more = arguments
            value = loss_fn(networks[0], *batch, **more)
            losses, aux = _checks.loss_and_aux(value, has_aux)
            kept = nnx.state(networks[0], nnx.Not(nnx.Param))
            return _moments.widen(losses), (aux, kept)

        calls, trees = {}, (params, params, zeros)
        losses, pullback, (aux, kept) = jax.vjp(
            partial(losses_of, calls, (batch, more)), *trees, has_aux=True
        )
        _check_losses(losses, calls)
        _nnx_checks.check_examples(
            lambda calls, arguments: losses_of(calls, arguments, *trees),
            (batch, more),
            len(losses),
        )
        _nnx_checks.check_uses(lambda d: pullback(d)[0], losses, params)
        loss, spread = jax.vjp(jnp.mean, losses)
        elsewhere, inside, variance = pullback(*spread(jnp.ones_like(loss)))
        gradient = jax.tree.map(jnp.add, elsewhere, inside)
        nnx.update(model, kept)
        return (loss, aux) if has_aux else loss, gradient, variance

    return value_grad_variance


def _layers(model: nnx.Module) -> list[tuple[str, Any]]:
    return [
        (_name(path), module)
        for path, module in nnx.iter_modules(model)
        if type(module) in (nnx.Linear, nnx.Conv)
    ]


def _name(path: tuple[Any, ...]) -> str:
    return repr(".".join(map(str, path))) if path else "the model itself"


def _check_layers(model: nnx.Module) -> None:
    owners: dict[int, str] = {}
    for name, layer in _layers(model):
        if layer.promote_dtype is not promote_dtype:
            raise ValueError(
                f"model must promote data types as Flax does, got {name} with a "
                f"promote_dtype of its own."
            )
        for parameter in (layer.kernel, layer.bias):
            if parameter is None:
                continue
            first = owners.setdefault(id(parameter), name)
            if first != name:
                raise ValueError(
                    f"model must not share parameters between layers, got one of "
                    f"{first} and {name}."
                )
    nodes = {path: node for path, node in nnx.iter_graph(model)}
    for path, node in nodes.items():
        owner = f"{type(nodes.get(path[:-1])).__name__} at {_name(path[:-1])}"
        if isinstance(node, nnx.BatchStat):
            raise ValueError(
                f"model must not have batch statistics, through which every loss "
                f"depends on all examples, got {owner}."
            )
        if isinstance(node, nnx.Param) and id(node) not in owners:
            raise ValueError(
                f"model must have its parameters in nnx.Linear and nnx.Conv layers, "
                f"got {owner}."
            )


def _probe(
    layer: nnx.Linear | nnx.Conv,
    source: nnx.Linear | nnx.Conv,
    probe: nnx.Linear | nnx.Conv,
    name: str,
    calls: dict[str, int],
) -> None:
    """Let a layer measure, and take its parameters from ``source`` when it is called.

    Its linear function becomes one that measures; the bias follows that.
    """
    dense = isinstance(layer, nnx.Linear)
    attribute = "dot_general" if dense else "conv_general_dilated"
    own = getattr(layer, attribute)
    outside = tracers.TraceState()
    given = _raw_parameters(layer)
    own_kernel, probed_kernel = source.kernel[...], probe.kernel[...]
    if isinstance(layer, nnx.Conv) and layer.mask is not None:
        own_kernel *= layer.mask
        probed_kernel *= jnp.square(layer.mask)
    own_bias, probed_bias = (
        None if bias is None else bias[...] for bias in (source.bias, probe.bias)
    )
    probes = _nnx_layers.Probes(probed_kernel, probed_bias)

    def promote(arrays, **options):
        x, *_ = arrays
        return promote_dtype((x, own_kernel, own_bias), **options)

    def measured(x, kernel, *arguments, **options):
        if not outside.is_valid():
            raise ValueError(
                f"loss_fn must call layers outside of jit, vmap, scan, remat and other "
                f"transformations within it, got a call of {name} inside one."
            )
        if name in calls:
            raise ValueError(
                f"loss_fn must call each layer once, got a second call of {name}."
            )
        if any(a is not b for a, b in zip(given, _raw_parameters(layer), strict=True)):
            raise ValueError(
                f"model must use the parameters of a layer as they are, got others in "
                f"{name}, as nnx.WeightNorm makes them."
            )
        calls[name] = x.shape[0] if x.ndim > 1 else 1

        def function(x, kernel):
            return own(x, kernel, *arguments, **options)

        example_gradient = _nnx_layers.dense_gradient
        if not dense:
            example_gradient = partial(
                _nnx_layers.convolution_gradient, kernel.shape, *arguments, **options
            )
        return _nnx_layers.probed(function, example_gradient)(x, kernel, probes)

    for changed, function in {attribute: measured, "promote_dtype": promote}.items():
        setattr(layer, changed, function)


def _raw_parameters(layer):
    parameters = (layer.kernel, layer.bias)
    return [None if p is None else p.get_raw_value() for p in parameters]


def _check_losses(losses: jax.Array, calls: dict[str, int]) -> None:
    if jnp.ndim(losses) != 1:
        raise ValueError(
            f"loss_fn must return one loss for each example, shape (B,), got shape "
            f"{jnp.shape(losses)}."
        )
    size = _checks.check_batch_size(len(losses))
    for name, rows in calls.items():
        if rows != size:
            raise ValueError(
                f"loss_fn must give layers its {size} examples along the first axis, "
                f"got {rows} rows for {name}."
            )
