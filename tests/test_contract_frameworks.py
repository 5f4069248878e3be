"""Every optimizer and link in Flax NNX, Flax Linen, Equinox and Orbax."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx
from flax.core import freeze
from flax.training.train_state import TrainState
from orbax.checkpoint import v1 as ocp

from .catalogue import ROWS, matrices
from .steps import GRADIENTS, PARAMS, VARIANCES, assert_close, assert_equal, extra, run

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


class Layer(eqx.Module):
    """Two leaves of `PARAMS`."""

    first: Any
    scalar: Any


class Model(eqx.Module):
    """`PARAMS` and what else stands in models, which can be called, too."""

    layer: Layer
    second: Any
    activation: Any = jax.nn.relu
    size: Any = 3
    rate: Any = 0.5
    steps: Any = eqx.field(default_factory=lambda: jnp.zeros([], jnp.int32))
    bias: Any = None

    def __call__(self, x):
        return self.activation(x @ self.layer.first)


def nested(tree, layer=dict, whole=dict):
    """The leaves of `PARAMS` in two levels, in the same order."""
    inner = layer(first=tree["first"], scalar=tree["scalar"])
    return whole(layer=inner, second=tree["second"])


def variables(tree):
    return nnx.State(nested(jax.tree.map(nnx.Param, tree)))


def module(tree):
    return nested(tree, Layer, Model)


def filtered(tree):
    """What `eqx.filter_grad` returns, and `eqx.filter` of flags."""
    return eqx.filter(module(tree), lambda leaf: any(leaf is t for t in tree.values()))


class Framework(NamedTuple):
    """How the trees of a framework are made from dictionaries like `PARAMS`."""

    params: Callable[[Any], Any]  # for `update`
    gradient: Callable[[Any], Any]
    start: Callable[[Any], Any]  # for `init`
    mask: Callable[[Any], Any]


def whole_mask(flags):
    """A bool for every leaf, as `jax.tree.map` over a model gives it."""
    model = jax.tree.map(lambda _: False, module(PARAMS))
    where = lambda m: (m.layer.first, m.layer.scalar, m.second)  # noqa: E731
    return eqx.tree_at(where, model, tuple(flags[name] for name in PARAMS))


def haiku(tree):
    return {
        "net/~/layer": {"b": tree["first"], "w": tree["scalar"]},
        "net/~/out": {"w": tree["second"]},
    }


def pure(tree):
    return nnx.State(nested(tree))


def arrays(state):
    """What `nnx.Optimizer` makes of a state: arrays in place of variables."""

    def is_variable(node):
        return isinstance(node, nnx.Variable)

    def leaf(node):
        return node.get_raw_value() if is_variable(node) else node

    return jax.tree.map(leaf, state, is_leaf=is_variable)


def frozen(tree):
    return freeze(nested(tree))


FRAMEWORKS = {
    "nnx_optimizer": Framework(pure, pure, variables, variables),
    "nnx_variables": Framework(variables, variables, variables, pure),
    "frozen": Framework(frozen, frozen, frozen, frozen),
    "frozen_and_dict": Framework(frozen, frozen, frozen, nested),
    "equinox_filtered": Framework(filtered, filtered, filtered, filtered),
    "equinox_whole": Framework(module, filtered, filtered, whole_mask),
    "haiku": Framework(haiku, haiku, haiku, haiku),
}
MASK = matrices(PARAMS)


def with_masks(row, wrap):
    """The row with a tree of flags wherever it takes one, and decay."""
    names = {"scale_invariant"} & set(row.options)
    more = {"weight_decay": 0.25} if row.decays else {}
    if "mask" in inspect.signature(row.factory).parameters:
        names.add("mask")
    return row.make(**more, **{name: wrap(MASK) for name in names})


@functools.cache
def expected_steps(name):
    row = next(row for row in ROWS if row.name == name)
    tx = with_masks(row, lambda tree: tree)
    return run(row, tx, gradients=GRADIENTS[:2], variances=VARIANCES[:2])[0]


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_numbers_are_those_of_a_dictionary(row, framework):
    tx = with_masks(row, framework.mask)
    params, state = framework.params(PARAMS), tx.init(framework.start(PARAMS))
    if framework is FRAMEWORKS["nnx_optimizer"]:
        state = arrays(state)
    pairs = zip(GRADIENTS, VARIANCES, expected_steps(row.name), strict=False)
    for gradient, variance, expected in pairs:
        gradient, variance = map(framework.gradient, (gradient, variance))
        updates, state = tx.update(gradient, state, params, **extra(row, variance))
        assert jax.tree.structure(updates) == jax.tree.structure(gradient)
        leaves = jax.tree.leaves(updates)
        assert_equal(dict(zip(PARAMS, leaves, strict=True)), expected)
        params = eqx.apply_updates(params, updates)
