"""AdaRem-S: AdaRem with the scale-invariant weights on a sphere."""

from collections.abc import Callable
from typing import Any

import jax
import optax
from jax.typing import ArrayLike, DTypeLike

from optax_sign._adarem import scale_by_resilience
from optax_sign._chain import chain_with_decay
from optax_sign._checks import check_choice
from optax_sign._sphere import SCOPES as SPHERE_SCOPES
from optax_sign._sphere import project_to_sphere, scale_by_sphere_learning_rate


def adarem_s(
    learning_rate: optax.ScalarOrSchedule,
    scale_invariant: Any | Callable[[Any], Any],
    beta: ArrayLike = 0.9,
    decay: ArrayLike = 0.999,
    decay_every: ArrayLike = 1,
    scope: str = "leaf",
    eps: ArrayLike = 0.0,
    *,
    radius: ArrayLike | None = None,
    sphere_scope: str = "global",
    mu_dtype: DTypeLike | None = None,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""AdaRem on a sphere: for networks with normalisation layers.

    On the leaves that ``scale_invariant`` selects:

    .. math::
      \theta_{t+1} &= \hat\theta_t - \hat\eta_t \, a_t \odot g_t \\
      \hat\theta_{t+1} &= R \, \theta_{t+1} / \|\theta_{t+1}\|

    with :math:`a_t` of :func:`scale_by_resilience`, :math:`\hat\eta_t` of
    :func:`scale_by_sphere_learning_rate` for ``learning_rate`` and
    ``weight_decay``, and :math:`R` = ``radius``. The other leaves get
    :func:`adarem` with the same arguments.

    After a NaN or infinite gradient all later updates of its sphere are NaN (with
    ``scope="global"`` of all spheres), and off the spheres those that :func:`adarem`
    names; ``optax.apply_if_finite`` around the optimizer leaves such steps out.

    State: 4 bytes per float32 parameter (``mu_dtype="bfloat16"``: 2), two numbers a
    sphere, and those of :func:`scale_by_resilience`.

    Args:
      learning_rate: step size in flat space, a number or a schedule over the step.
      scale_invariant: tree of bools: the weights that a normalisation layer
        follows, as :func:`scale_invariant_mask` finds them. Or a function from the
        parameters to one; it gets gradients and tracers too, so it may look at names
        and shapes only.
      beta: decay of the average, in [0, 1).
      decay: base of the factor that fades the scaling out, in [0, 1].
      decay_every: steps between two multiplications by ``decay``.
      scope: "leaf" or "global": where the largest average is looked for; "global"
        means all scale-invariant leaves, and all the others.
      eps: added to the denominator of the resilience.
      radius: norm to keep, positive; ``None`` is the norm at the first update.
      sphere_scope: "global", one sphere for all selected leaves, as printed, or
        "leaf", one for each.
      mu_dtype: dtype of the average; ``None`` takes each parameter's.
      weight_decay: decay in flat space; on the sphere it only sets the rate.
      mask: tree of bools, or function of the parameters: which of the leaves off
        the sphere decay.

    Returns:
      The optimizer.

    Raises:
      ValueError: an argument is out of range, or ``update`` gets no parameters.

    Source: *Adaptive Gradient Method with Resilience and Momentum* (arXiv
    2010.11041), Algorithm 2 and section 3.4.1.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> from optax_sign import adarem_s
    >>> params = {"kernel": jnp.array([3.0, 4.0]), "bias": jnp.zeros(1)}
    >>> tx = adarem_s(0.1, {"kernel": True, "bias": False})
    >>> grads = {"kernel": jnp.array([4.0, -3.0]), "bias": jnp.ones(1)}
    >>> updates, _ = tx.update(grads, tx.init(params), params)
    >>> optax.tree.norm(optax.apply_updates(params, updates)["kernel"]).round(4)
    Array(5., dtype=float32)
    """
    check_choice("sphere_scope", sphere_scope, SPHERE_SCOPES)
    resilience = scale_by_resilience(
        beta, decay, decay_every, scope, eps, mu_dtype=mu_dtype
    )
    on_sphere = optax.chain(
        resilience,
        scale_by_sphere_learning_rate(
            learning_rate, weight_decay, radius, sphere_scope
        ),
        project_to_sphere(radius, sphere_scope),
    )
    flat = chain_with_decay(learning_rate, weight_decay, mask, resilience)  # adarem

    def label(params):
        found = callable(scale_invariant)
        selected = scale_invariant(params) if found else scale_invariant
        return jax.tree.map(lambda s: "sphere" if s else "flat", selected)

    return optax.partition({"sphere": on_sphere, "flat": flat}, label)
