"""The averages of optimizers of optax, taken over in the middle of a training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from orbax.checkpoint import v1 as ocp

import optax_sign

GRADIENTS = jax.random.normal(jax.random.key(0), (40, 2, 3))
PARAMS = {"w": jnp.ones((2, 3))}
RATE = optax.linear_schedule(1e-2, 1e-3, 40)


def take_over(fresh, old, name, new_name):
    """As in docs/coming-from.md."""
    (_, count), *_ = optax.tree.get_all_with_path(old, "count")
    average = optax.tree.get(old, name)
    return optax.tree.set(fresh, count=count, **{new_name: average})


def train(tx, state, gradients):
    """The updates on a weight that moves, and the last state."""

    def step(carry, gradient):
        params, state = carry
        updates, state = tx.update({"w": gradient}, state, params)
        return (optax.apply_updates(params, updates), state), updates["w"]

    (_, state), updates = jax.lax.scan(step, (PARAMS, state), gradients)
    return updates, state


SIGNUM = optax.signum(RATE, 0.95), "ema"
LION = optax.lion(RATE, b1=0.95, b2=0.95, weight_decay=0.0), "mu"
MAS = optax_sign.mas(RATE, 0.95), "ema"
M_SSD = optax_sign.m_ssd(RATE, 0.95), "ema"


@pytest.mark.parametrize(
    ("old", "new"),
    [(SIGNUM, MAS), (SIGNUM, M_SSD), (MAS, SIGNUM), (LION, MAS), (MAS, LION)],
    ids=["signum to mas", "signum to m_ssd", "and back", "lion to mas", "back to lion"],
)
def test_a_training_goes_on_as_if_nothing_had_changed(old, new):
    (first, name), (second, new_name) = old, new
    expected, _ = train(first, first.init(PARAMS), GRADIENTS)
    before, state = train(first, first.init(PARAMS), GRADIENTS[:20])
    state = take_over(second.init(PARAMS), state, name, new_name)
    after, _ = train(second, state, GRADIENTS[20:])
    np.testing.assert_array_equal(jnp.concatenate([before, after]), expected)


def test_the_first_moment_of_adam_is_the_momentum_of_m_sgd():
    adam, m_sgd = optax.adam(RATE, b1=0.8), optax_sign.m_sgd(RATE, 0.8)
    expected, _ = train(m_sgd, m_sgd.init(PARAMS), GRADIENTS[:12])
    # Few steps, so that the bias correction and so the count of them matter.
    _, state = train(adam, adam.init(PARAMS), GRADIENTS[:3])
    state = take_over(m_sgd.init(PARAMS), state, "mu", "ema")
    after, _ = train(m_sgd, state, GRADIENTS[3:12])
    # An average of a few float32 numbers, some of which cancel.
    np.testing.assert_allclose(after, expected[3:], rtol=1e-5, atol=1e-8)


def test_m_svag_damps_at_once_with_the_squares_of_adam():
    adam, m_svag = optax.adam(1.0), optax_sign.m_svag(1.0)
    _, state = train(adam, adam.init(PARAMS), GRADIENTS)
    squares = optax.tree.bias_correction(optax.tree.get(state, "nu"), 0.999, 40)
    state = take_over(m_svag.init(PARAMS), state, "mu", "mu")
    state = optax.tree.set(state, nu=squares)
    (update,), _ = train(m_svag, state, GRADIENTS[:1])
    history = np.float64(jnp.concatenate([GRADIENTS, GRADIENTS[:1]]))
    # The averages as they are defined, of 41 gradients and of squares of 40, 0.9 of
    # which are the mean of all but for weights between 0.96 and 1.04.
    weights = 0.9 ** np.arange(40, -1, -1.0)
    mean = np.tensordot(weights / weights.sum(), history, 1)
    long_ago = 0.999 ** np.arange(39, -1, -1.0)
    second = 0.9 * np.tensordot(long_ago / long_ago.sum(), history[:40] ** 2, 1)
    second = (second + 0.1 * history[40] ** 2) / (1 - 0.9**41)
    rho = np.sum((weights / weights.sum()) ** 2)
    variance = np.maximum(second - mean**2, 0) / (1 - rho)
    exact = -mean * mean**2 / (mean**2 + rho * variance)
    # Sums of some forty float32 numbers.
    np.testing.assert_allclose(update, exact, rtol=2e-5, atol=1e-7)


@pytest.mark.filterwarnings("ignore:Sharding info not provided")
@pytest.mark.parametrize("typed", [True, False])
def test_takes_over_from_a_file(tmp_path, typed):
    (signum, _), (mas, _) = SIGNUM, MAS
    expected, _ = train(signum, signum.init(PARAMS), GRADIENTS)
    _, state = train(signum, signum.init(PARAMS), GRADIENTS[:20])
    ocp.save(tmp_path / "checkpoint", {"params": PARAMS, "state": state})
    like = {"params": PARAMS, "state": signum.init(PARAMS)}
    loaded = ocp.load(tmp_path / "checkpoint", *[like][:typed])["state"]
    # Without the optimizer that made them, states are lists and dictionaries.
    assert isinstance(loaded, tuple) == typed
    state = take_over(mas.init(PARAMS), loaded, "ema", "ema")
    after, _ = train(mas, state, GRADIENTS[20:])
    np.testing.assert_array_equal(after, expected[20:])
