"""Mini-batches added up over several steps, and the variance of their mean."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from optax_sign import _checks, _moments


def multi_steps(
    optimizer: optax.GradientTransformation,
    every_k_schedule: int | Callable[[ArrayLike], ArrayLike],
    *,
    should_skip_update_fn: Callable[..., tuple[ArrayLike, Any]] | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Accumulate gradients as ``optax.MultiSteps`` does, and their variance, too.

    Of :math:`k` = ``every_k_schedule`` calls ``update(g_i, state, params,
    variance=s_i)``, each with a mini-batch's gradient :math:`g_i` and its variance
    :math:`\hat s_i`, the last hands on to ``optimizer``

    .. math::
      g = \frac{1}{k} \sum_i g_i, \qquad \hat s = \frac{1}{k^2} \sum_i \hat s_i

    and the others update by 0. :math:`\hat s` estimates the variance of :math:`g`
    without bias, as that of one batch of all examples does; that one differs, as it has
    in it how far the :math:`g_i` lie apart.

    State: that of ``optimizer``, and 8 bytes per parameter.

    Args:
      optimizer: takes ``update(..., variance=tree)``, as :func:`m_svag` does with
        ``variance="mini_batch"``.
      every_k_schedule: number of mini-batches in a step, at least 1, or a function of
        the steps so far.
      should_skip_update_fn: as of ``optax.MultiSteps``, ``optax.skip_not_finite`` for
        example: a mini-batch whose gradient it refuses does not count.

    Returns:
      The optimizer; its state is an ``optax.MultiStepsState``, in which ``acc_grads``
      is the pair of the means so far of gradient and variance, float32 or wider, and
      ``mini_step`` is 0 after a step.

    Raises:
      ValueError: an argument is out of range, ``optimizer`` is no transformation, or
        no variance is given to ``update``.

    Source: Balles and Hennig, *Dissecting Adam* (arXiv 1705.07774), appendix D; the
    variances of independent estimates add up.

    >>> import jax.numpy as jnp
    >>> from optax_sign import m_svag, multi_steps
    >>> tx = multi_steps(m_svag(1.0, variance="mini_batch"), 2)
    >>> w = jnp.zeros(1)
    >>> state = tx.init(w)
    >>> for gradient in (jnp.array([1.0]), jnp.array([3.0])):
    ...     updates, state = tx.update(gradient, state, w, variance=jnp.array([8.0]))
    >>> updates.round(4)  # of the mean, 2, by the factor 4 / (4 + (8 + 8) / 4)
    Array([-1.], dtype=float32)
    """
    _checks.check_link("optimizer", optimizer)
    schedule = every_k_schedule
    if not callable(schedule):
        _checks.check_count("every_k_schedule", schedule)
        schedule = optax.constant_schedule(int(schedule))
    skip = should_skip_update_fn or (lambda *_: (jnp.asarray(False), ()))
    optimizer = optax.with_extra_args_support(optimizer)

    def init_fn(params):
        zero = jnp.zeros([], jnp.int32)
        wide = jax.tree.map(_moments.widen, params)
        means = tuple(_moments.zeros_like(wide, None, real=r) for r in (False, True))
        _, skip_state = skip(optax.tree.zeros_like(params), zero, params)
        inner = optimizer.init(params)
        return optax.MultiStepsState(zero, zero, inner, means, skip_state)

    def update_fn(updates, state, params=None, *, variance=None, **extra_args):
        if variance is None:
            raise ValueError(
                "variance must be the tree of the mini-batch's variances, got None."
            )
        number = state.gradient_step
        k = jnp.asarray(schedule(number), jnp.int32)
        count = state.mini_step + 1
        skipped, skip_state = skip(updates, number, params)
        last = jnp.logical_and(count == k, jnp.logical_not(skipped))

        def mean(new, average):
            if new is None:
                return average
            distance = jnp.asarray(new, average.dtype) - average
            return average + distance / count.astype(average.real.dtype)

        def choose(condition, new, old):
            return jax.tree.map(
                lambda a, b: jnp.where(condition, a, b).astype(b.dtype), new, old
            )

        nothing = partial(jax.tree.map, jnp.zeros_like)
        both = (updates, variance)
        means = jax.tree.map(mean, both, state.acc_grads, is_leaf=_moments.is_none)
        gradient = _moments.map_present(
            lambda u, m: m.astype(jnp.result_type(u)), updates, means[0]
        )
        spread = jax.tree.map(lambda m: m / k.astype(m.dtype), means[1])
        step, inner = optimizer.update(
            gradient, state.inner_opt_state, params, variance=spread, **extra_args
        )
        new_state = optax.MultiStepsState(
            jnp.where(skipped, state.mini_step, count % k),
            jnp.where(last, optax.safe_increment(number), number),
            choose(last, inner, state.inner_opt_state),
            choose(skipped, state.acc_grads, choose(last, nothing(means), means)),
            skip_state,
        )
        return choose(last, step, nothing(step)), new_state

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)
