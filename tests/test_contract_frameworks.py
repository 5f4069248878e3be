"""Every optimizer and link in Flax NNX, Flax Linen and Orbax."""

import flax.linen as linen
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx
from flax.training.train_state import TrainState
from orbax.checkpoint import v1 as ocp

from .catalogue import ROWS
from .steps import PARAMS, assert_close, assert_equal, extra, run

INPUTS = jnp.array([[1.0, 2.0], [-1.0, 0.5], [0.5, -2.0]])


class Network(nnx.Module):
    """A matrix, a bias (not 0: it is on a sphere, too) and what is no parameter."""

    def __init__(self):
        self.linear = nnx.Linear(
            2, 2, bias_init=nnx.initializers.ones, rngs=nnx.Rngs(0)
        )
        self.calls = nnx.BatchStat(jnp.zeros(()))

    def __call__(self, x):
        return self.linear(x)


def plain_steps(row, params, gradients):
    """Two steps without any framework."""
    tx = row.make()
    state = tx.init(params)
    for gradient in gradients:
        updates, state = tx.update(gradient, state, params, **extra(row, gradient))
        params = optax.apply_updates(params, updates)
    return params


def test_nnx_optimizer(row):
    network = Network()
    start = nnx.to_pure_dict(nnx.state(network, nnx.Param))
    optimizer = nnx.Optimizer(network, row.make(), wrt=nnx.Param)
    gradients = []
    for _ in range(2):
        gradient = nnx.grad(lambda net: jnp.sum(net(INPUTS) ** 2))(network)
        optimizer.update(network, gradient, **extra(row, gradient))
        gradients.append(nnx.to_pure_dict(gradient))
    trained = nnx.to_pure_dict(nnx.state(network, nnx.Param))
    assert_close(trained, plain_steps(row, start, gradients))


def test_linen_train_state(row):
    network = linen.Dense(2, bias_init=linen.initializers.ones)
    variables = network.init(jax.random.key(0), INPUTS)
    state = TrainState.create(
        apply_fn=network.apply, params=variables["params"], tx=row.make()
    )
    gradients = []
    for _ in range(2):
        gradient = jax.grad(
            lambda p: jnp.sum(state.apply_fn({"params": p}, INPUTS) ** 2)  # noqa: B023
        )(state.params)
        if row.needs_variance:
            # apply_gradients has no way for extra arguments: its three lines by hand.
            updates, opt_state = state.tx.update(
                gradient, state.opt_state, state.params, variance=gradient
            )
            params = optax.apply_updates(state.params, updates)
            state = state.replace(params=params, opt_state=opt_state)
        else:
            state = state.apply_gradients(grads=gradient)
        gradients.append(gradient)
    assert_close(state.params, plain_steps(row, variables["params"], gradients))


@pytest.fixture(scope="module")
def round_trip(tmp_path_factory):
    """The state of every row after all steps, and what Orbax makes of it."""
    folder = tmp_path_factory.mktemp("orbax") / "states"
    states = {row.name: run(row)[1] for row in ROWS}
    ocp.save(folder, states)
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    target = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device),
        {row.name: row.make().init(PARAMS) for row in ROWS},
    )
    return states, ocp.load(folder, target)


def test_orbax_restores_the_state_and_its_types(row, round_trip):
    states, restored = round_trip
    assert_equal(restored[row.name], states[row.name])
