"""Which weights of a Flax NNX model does the loss not see the size of?"""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from optax_sign import _scale_invariance


def scale_invariant_mask(
    loss_fn: Callable[..., jax.Array], model: nnx.Module, *args: Any, **options: Any
) -> nnx.State:
    r"""Find the parameters of a model whose size does not change the loss.

    A parameter :math:`\theta` is scale-invariant where

    .. math::
      \langle \nabla_\theta L, \theta \rangle = 0

    at every size of every parameter; :func:`optax_sign.scale_invariant_mask` says how
    that is tried. The model stays as it is, its batch statistics and the counts of its
    random numbers, too.

    Args:
      loss_fn: ``loss_fn(model, *args)``, a scalar, as ``nnx.grad`` takes it; with batch
        normalisation in training mode, on a batch of typical inputs.
      model: the model, whose parameters are its ``nnx.Param``.
      *args: further arguments of ``loss_fn``.
      **options: ``key``, ``samples`` and ``tolerance`` of
        :func:`optax_sign.scale_invariant_mask`.

    Returns:
      A state of bools, for ``optax.masked`` and :func:`optax_sign.adarem_s` in an
      ``nnx.Optimizer`` of this model.

    Raises:
      ValueError: an option is out of range, or the loss or its gradient is not finite
        at some rescaling.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), section 3.4; Li and Arora (arXiv 1910.07454).

    >>> import jax
    >>> import jax.numpy as jnp
    >>> import optax_sign.nnx
    >>> from flax import nnx
    >>> rngs = nnx.Rngs(0)
    >>> hidden, norm = nnx.Linear(3, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
    >>> model = nnx.Sequential(hidden, norm, nnx.Linear(4, 1, rngs=rngs))
    >>> squared_error = lambda model, x, y: jnp.mean((model(x)[:, 0] - y) ** 2)
    >>> x = jax.random.normal(jax.random.key(0), (16, 3))
    >>> mask = optax_sign.nnx.scale_invariant_mask(squared_error, model, x, x[:, 0])
    >>> [mask["layers"][i]["kernel"] for i in (0, 2)]
    [True, False]
    >>> tx = optax_sign.adarem_s(1.0, mask)
    >>> optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    >>> gradient = nnx.grad(squared_error)(model, x, x[:, 0])
    >>> updates = optimizer.update(model, gradient)
    """
    graph, params, others = nnx.split(model, nnx.Param, ...)

    def loss(params, *args):
        # A copy, whose variables the trace may write into.
        return loss_fn(nnx.merge(graph, params, others, copy=True), *args)

    return _scale_invariance.scale_invariant_mask(loss, params, *args, **options)
