"""No step where there is no gradient."""

import jax.numpy as jnp
import optax

from optax_sign import _moments
from optax_sign._checks import check_link


def skip_zero_gradients(
    optimizer: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    r"""Leave a weight where it is while its gradient is exactly 0.

    .. math::
      \Delta\theta_t = \begin{cases}
        u_t & \text{where } g_t \ne 0 \\ 0 & \text{elsewhere} \end{cases}

    with :math:`u_t` the update of ``optimizer``. For weights that seldom have a
    gradient, as the rows of an embedding, experts, or branches that are not taken: an
    average whose gradient has stopped keeps its sign, however small it becomes, and
    :func:`mas` walks on.

    Nor does such a weight decay, as decay is part of the update. The averages go on to
    be updated, and so forget, unlike those of PyTorch's ``SparseAdam``. Tried on a
    small regression with rare rows, :func:`mas` learnt no better for it; Adam did.

    State: 0 bytes per parameter, besides those of ``optimizer``.

    Args:
      optimizer: any optimizer or link.

    Returns:
      The optimizer, with the state of ``optimizer``.

    Raises:
      ValueError: ``optimizer`` is no transformation.

    Source: PyTorch, ``torch.optim.SparseAdam``, whose steps are as lazy.

    >>> import jax.numpy as jnp
    >>> from optax_sign import mas, skip_zero_gradients
    >>> tx = skip_zero_gradients(mas(2e-4))
    >>> _, state = tx.update(jnp.array([1.0, 1.0]), tx.init(jnp.zeros(2)))
    >>> tx.update(jnp.array([1.0, 0.0]), state)[0]
    Array([-0.0002,  0.    ], dtype=float32)
    """
    check_link("optimizer", optimizer)
    inner = optax.with_extra_args_support(optimizer)

    def update_fn(updates, state, params=None, **extra_args):
        steps, state = inner.update(updates, state, params, **extra_args)

        def leaf(step, gradient):
            return jnp.where(gradient != 0, step, jnp.zeros_like(step))

        return _moments.map_present(leaf, steps, updates), state

    return optax.GradientTransformationExtraArgs(inner.init, update_fn)
