"""Which weights does the loss not see the size of?"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from optax_sign import _moments, _trees
from optax_sign._checks import check_count, check_range
from optax_sign._sphere import norm_of

# Below this share of the largest |gradient| * |leaf|, a gradient is round-off: that
# of a bias before a normalisation layer, which the loss does not depend on at all.
_NEGLIGIBLE = 1e-5


def scale_invariant_mask(
    loss_fn: Callable[..., jax.Array],
    params: Any,
    *args: Any,
    key: jax.Array | None = None,
    samples: int = 4,
    tolerance: float = 1e-3,
) -> Any:
    r"""Find the leaves whose size does not change the loss.

    A leaf :math:`\theta` is scale-invariant where

    .. math::
      \langle \nabla_\theta L, \theta \rangle = 0

    at every size of every leaf. It is taken for one when, at each of ``samples``
    random rescalings of all leaves (each by a factor of 1 to 10),
    :math:`|\langle \nabla_\theta L, \theta \rangle| \le` ``tolerance``
    :math:`\cdot \|\nabla_\theta L\| \, \|\theta\|`. Leaves of zeros are tried at
    random values instead. A leaf that the loss does not depend on, such as a bias
    before batch normalisation, is not selected.

    Args:
      loss_fn: ``loss_fn(params, *args)``, a scalar; with batch normalisation in
        training mode, on a batch of typical inputs.
      params: tree of arrays, or a whole model of Equinox. For a model of Flax NNX
        there is :func:`optax_sign.nnx.scale_invariant_mask`.
      *args: further arguments of ``loss_fn``.
      key: PRNG key of the rescalings; ``None`` is ``jax.random.key(0)``.
      samples: number of rescalings, at least 1.
      tolerance: largest cosine between gradient and leaf that counts as 0, in
        (0, 1); the epsilon of normalisation layers needs some.

    Returns:
      A tree of bools like ``params``, for ``optax.masked``, :func:`adarem_s`; a bool
      in place of a variable of NNX, and False for what is no floating array.

    Raises:
      ValueError: an argument is out of range, or the loss or its gradient is not
        finite at some rescaling.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), section 3.4; Li and Arora (arXiv 1910.07454).

    >>> import jax.numpy as jnp
    >>> from optax_sign import scale_invariant_mask
    >>> def loss(params, target):
    ...     unit = params["weight"] / jnp.linalg.norm(params["weight"])
    ...     return jnp.sum((params["scale"] * unit - target) ** 2)
    >>> params = {"weight": jnp.array([1.0, 2.0]), "scale": jnp.array(1.5)}
    >>> scale_invariant_mask(loss, params, jnp.array([1.0, -1.0]))
    {'scale': False, 'weight': True}
    """
    check_count("samples", samples)
    check_range("tolerance", tolerance, 0.0, 1.0, open_low=True)
    leaves, structure = jax.tree.flatten(_trees.floating(params))

    def loss_at(leaves, *args):
        point = jax.tree.unflatten(structure, leaves)
        return loss_fn(_trees.fill(point, params), *args)

    evaluate = jax.jit(jax.value_and_grad(loss_at))
    invariant = [leaf.size > 0 for leaf in leaves]
    keys = jax.random.split(jax.random.key(0) if key is None else key, int(samples))
    for sample_key in keys:
        leaf_keys = (jax.random.fold_in(sample_key, i) for i in range(len(leaves)))
        points = list(map(_rescale, leaves, leaf_keys))
        loss, gradients = evaluate(points, *args)
        _check_finite("loss_fn", [loss])
        _check_finite("the gradient of loss_fn", gradients)
        wide = (map(_moments.widen, leaves) for leaves in (gradients, points))
        pairs = list(zip(*wide, strict=True))
        sizes = [float(norm_of([g]) * norm_of([p])) for g, p in pairs]
        # JAX's gradient by a complex leaf is the conjugate of the steepest ascent.
        products = [abs(float(jnp.sum(g * p).real)) for g, p in pairs]
        relevant = _NEGLIGIBLE * max(sizes, default=0.0)
        invariant = [
            before and size > relevant and product <= tolerance * size
            for before, size, product in zip(invariant, sizes, products, strict=True)
        ]
    flags = iter(invariant)
    is_floating = _trees.is_floating  # the variables of NNX, too
    return jax.tree.map(
        lambda leaf: is_floating(leaf) and next(flags), params, is_leaf=is_floating
    )


def _check_finite(name, leaves):
    for leaf in leaves:
        if not jnp.all(jnp.isfinite(leaf)):
            values = np.asarray(leaf)
            raise ValueError(
                f"{name} must stay finite when leaves are rescaled by up to 10, got "
                f"{values[~np.isfinite(values)][0]}."
            )


def _rescale(leaf, key):
    factor_key, value_key = jax.random.split(key)
    factor = 10 ** jax.random.uniform(factor_key, dtype=jnp.float32)
    random = jax.random.normal(value_key, leaf.shape, _moments.at_least_float32(leaf))
    # A sum, not a choice, which has to be sharded alike.
    point = leaf + jnp.where(jnp.any(leaf != 0), 0, random.astype(leaf.dtype))
    return point * factor.astype(jnp.real(leaf).dtype)
