"""Accumulated gradients and variances against float64 and against one large batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign

from .experiments.messages import assert_one_sentence
from .reference import variance_adaptation

OPTIONS = {"learning_rate": 0.25, "beta": 0.75}
EXAMPLES = np.random.default_rng(0).normal(0.3, 1.0, size=(12, 8, 3))
START = np.array([1.0, -2.0, 0.5])


def loss_fn(w, x):
    """A loss whose gradient, at any w, is the example."""
    return jnp.dot(w["w"], x)


def train(every_k_schedule, batches, poison=(), **options):
    """The updates of all calls, compiled, in float64; NaN in the poisoned gradients."""
    function = optax_sign.value_and_grad_and_variance(loss_fn)

    @jax.jit
    def step(params, state, batch, bad):
        _, gradient, variance = function(params, batch)
        gradient = jax.tree.map(lambda g: jnp.where(bad, jnp.nan, g), gradient)
        updates, state = tx.update(gradient, state, params, variance=variance)
        return optax.apply_updates(params, updates), state, updates["w"]

    with jax.enable_x64(True):
        tx = optax_sign.multi_steps(
            optax_sign.m_svag(**OPTIONS, variance="mini_batch", weight_decay=0.5),
            every_k_schedule,
            **options,
        )
        params = {"w": jnp.asarray(START)}
        state, steps = tx.init(params), []
        for number, batch in enumerate(batches):
            params, state, updates = step(params, state, batch, number in poison)
            steps.append(np.asarray(updates))
    return np.stack(steps), state


def expected(groups):
    """The steps on groups of mini-batches: variances of means add up."""
    gradients = [[np.mean([b.mean(0) for b in group], axis=0)] for group in groups]
    spreads = [
        [
            sum(variance_adaptation.mini_batch_variance(b) for b in group)
            / len(group) ** 2
        ]
        for group in groups
    ]
    steps = variance_adaptation.m_svag(
        [START],
        gradients,
        **OPTIONS,
        weight_decay=0.5,
        variance="mini_batch",
        variances=spreads,
    )
    return np.array([leaf for (leaf,) in steps])


def close(actual, exact):
    # Sums of some hundred numbers of order one in float64.
    np.testing.assert_allclose(actual, exact, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("k", [1, 4])
def test_a_step_on_k_mini_batches_has_the_variance_of_their_mean(k):
    steps, _ = train(k, EXAMPLES)
    close(steps[k - 1 :: k], expected(EXAMPLES.reshape(-1, k, 8, 3)))
    waiting = np.delete(steps, np.s_[k - 1 :: k], axis=0)
    assert not waiting.any()


def test_is_the_large_batch_but_for_what_lies_between_its_parts():
    # Parts of the same mean: all deviations lie within, of which there are 4 * 7
    # degrees of freedom, and 31 in the large batch.
    parts = EXAMPLES[:4] - EXAMPLES[:4].mean(1, keepdims=True) + 0.3
    whole = variance_adaptation.mini_batch_variance(parts.reshape(32, 3))
    accumulated = sum(map(variance_adaptation.mini_batch_variance, parts)) / 16
    np.testing.assert_allclose(accumulated, whole * 31 / 28, rtol=1e-12)
    seen = []

    def spy(updates, state, params=None, *, variance):
        seen.append(variance["w"])
        return updates, state

    tx = optax.GradientTransformationExtraArgs(lambda params: (), spy)
    with jax.disable_jit(), jax.enable_x64(True):
        w = {"w": jnp.asarray(START)}
        steps = optax_sign.multi_steps(tx, 4)
        state = steps.init(w)
        for part in parts:
            spread = {"w": variance_adaptation.mini_batch_variance(part)}
            _, state = steps.update(w, state, w, variance=spread)
    np.testing.assert_allclose(seen[-1], whole * 31 / 28, rtol=1e-12)


def test_k_may_change_from_step_to_step():
    steps, state = train(lambda step: jnp.where(step < 2, 2, 4), EXAMPLES)
    groups = [EXAMPLES[:2], EXAMPLES[2:4], EXAMPLES[4:8], EXAMPLES[8:]]
    close(steps[[1, 3, 7, 11]], expected(groups))
    assert (state.gradient_step, state.mini_step) == (4, 0)


def test_a_skipped_mini_batch_does_not_count():
    skip = {"should_skip_update_fn": optax.skip_not_finite}
    steps, state = train(2, EXAMPLES[:6], poison=(1, 3), **skip)
    close(steps[[2, 5]], expected([EXAMPLES[[0, 2]], EXAMPLES[[4, 5]]]))
    assert not steps[[0, 1, 3, 4]].any()
    assert state.gradient_step == 2


def test_skips_by_gradient_and_parameters_alone():
    seen = []

    def skip(updates, gradient_step, params):
        seen.append(jax.tree.map(jnp.shape, (updates, params)))
        return jnp.asarray(False), ()

    w = {"w": jnp.ones(3)}
    tx = optax_sign.multi_steps(optax_sign.ssd(1.0), 2, should_skip_update_fn=skip)
    tx.update(w, tx.init(w), w, variance=w)
    assert seen == [({"w": (3,)}, {"w": (3,)})] * 2


def test_state_is_that_of_the_optimizer_and_two_accumulators():
    params = {"w": jnp.ones((2, 3), "bfloat16")}
    inner = optax_sign.ssd(1.0)
    state = optax_sign.multi_steps(inner, 2).init(params)
    assert state.inner_opt_state == inner.init(params)
    leaves = jax.tree.leaves(state.acc_grads)
    assert sum(leaf.nbytes for leaf in leaves) == 8 * 6


def test_asks_for_a_variance_in_one_sentence():
    tx = optax_sign.multi_steps(optax_sign.ssd(1.0), 2)
    w = jnp.ones(3)
    with pytest.raises(ValueError, match="variance must be .* got None") as error:
        tx.update(w, tx.init(w), w)
    assert_one_sentence(str(error.value))
