"""A float32 copy of narrow parameters, in which an optimizer takes its steps."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from optax_sign import _moments, _trees
from optax_sign._checks import check_link
from optax_sign._sphere import require_params


class MasterCopy(NamedTuple):
    """State of :func:`keep_master_copy`."""

    master: Any  # like the parameters, float32; None where they are as wide
    inner_state: Any  # of the optimizer, made for the master


def keep_master_copy(
    optimizer: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    r"""Let any optimizer train a float32 copy of bfloat16 or float16 parameters.

    .. math::
      M_{t+1} = M_t + u_t(g_t, M_t), \qquad
      \Delta\theta_t = \mathrm{round}(M_{t+1}) - \theta_t

    where :math:`M` is the master copy and :math:`u_t` the update of ``optimizer``,
    which sees gradients and parameters, and so makes its own state, in float32. The
    steps on the master are those of float32 training, bit for bit, and
    ``optax.apply_updates`` lands on the master, rounded to the dtype of the parameters:
    the emitted updates are float32.

    A master is read off its parameter at the first update, and again whenever the
    parameter is not the rounded master, since somebody else has changed it then: a
    restored or clipped weight stays as it was made. Parameters of float32 or wider, and
    complex ones, go to ``optimizer`` as they are.

    So ``optax.apply_if_finite``, which wants updates of the dtype of the gradients,
    belongs inside, or needs float32 gradients; and in JAX's strict promotion of dtypes
    ``optax.apply_updates`` cannot add these updates.

    State: 4 bytes per parameter narrower than float32, and the state that ``optimizer``
    has for float32 parameters.

    Args:
      optimizer: any optimizer or link.

    Returns:
      The optimizer; its state is a :class:`MasterCopy`.

    Raises:
      ValueError: ``optimizer`` is no transformation, a parameter is a whole number, or
        ``update`` gets no parameters.

    Source: Micikevicius et al., *Mixed Precision Training* (arXiv 1710.03740), section
    3.1.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> from optax_sign import keep_master_copy, mas
    >>> params = jnp.ones(2, "bfloat16")
    >>> tx = keep_master_copy(mas(2e-4))
    >>> state = tx.init(params)
    >>> for _ in range(15):
    ...     updates, state = tx.update(jnp.ones_like(params), state, params)
    ...     params = optax.apply_updates(params, updates)
    >>> print(state.master.round(4), params)
    [0.997 0.997] [0.996094 0.996094]
    """
    check_link("optimizer", optimizer)
    inner = optax.with_extra_args_support(optimizer)

    def init_fn(params):
        def zeros(p):
            return jnp.zeros_like(p, jnp.float32) if _moments.is_narrow(p) else None

        def wide(p):
            if isinstance(p, jax.ShapeDtypeStruct):
                return jnp.zeros_like(p, _moments.at_least_float32(p))
            return _moments.widen(p)

        _moments.zeros_like(params, None)  # refuses whole numbers
        return MasterCopy(
            jax.tree.map(zeros, params), inner.init(jax.tree.map(wide, params))
        )

    def update_fn(updates, state, params=None, **extra_args):
        require_params(params, "keep_master_copy")
        params = _trees.trained(params, updates)

        def present(parameter, master):
            if master is None:
                return parameter
            ours = _moments.rounded(master, parameter.dtype) == parameter
            return jnp.where(ours, master, parameter.astype(master.dtype))

        def gradient(g, parameter):
            return _moments.widen(g) if _moments.is_narrow(parameter) else g

        masters = _moments.map_present(present, params, state.master)
        gradients = _moments.map_present(gradient, updates, params)
        steps, inner_state = inner.update(
            gradients, state.inner_state, masters, **extra_args
        )

        def move(master, step, parameter):
            if not _moments.is_narrow(parameter):
                return None
            return master if step is None else optax.apply_updates(master, step)

        def emit(step, master, parameter):
            if master is None:
                return step
            landing = _moments.rounded(master, parameter.dtype)
            return _moments.widen(landing) - _moments.widen(parameter)

        moved = _moments.map_present(move, masters, steps, params)
        emitted = _moments.map_present(emit, steps, moved, params)
        return emitted, MasterCopy(moved, inner_state)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
