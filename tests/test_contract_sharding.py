"""Every optimizer and link on eight devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from .steps import assert_close, extra, run

SPECS = {"both": P("x", "y"), "column": P(None, "x"), "vector": P("x")}
SHAPES = {"both": (4, 2), "column": (2, 4), "vector": (8,)}


def tree(seed):
    """Small integers: sums and maxima over devices are exact in any order."""
    rng = np.random.default_rng(seed)
    return {
        name: jnp.asarray(rng.integers(1, 9, size=shape), jnp.float32)
        for name, shape in SHAPES.items()
    }


INPUTS = {
    "params": tree(0),
    "gradients": [tree(seed) for seed in (1, 2, 3)],
    "variances": [tree(seed) for seed in (4, 5, 6)],
}


def shardings(kind):
    mesh = jax.make_mesh((4, 2), ("x", "y"), (kind, kind))
    return {name: NamedSharding(mesh, spec) for name, spec in SPECS.items()}


NAMES = {shape: name for name, shape in SHAPES.items()}


def accumulators(state):
    """The leaves shaped like a parameter, each with that parameter's name."""
    leaves = jax.tree.leaves(state)
    return [(NAMES[leaf.shape], leaf) for leaf in leaves if leaf.shape in NAMES]


def test_state_follows_the_parameters_and_eight_devices_step_like_one(row):
    sharding = shardings(AxisType.Auto)
    whole = NamedSharding(sharding["both"].mesh, P())

    def spread(tree):
        return jax.tree.map(
            lambda x: jax.device_put(x, sharding.get(NAMES.get(x.shape), whole)), tree
        )

    def assert_follows(state):
        found = accumulators(state)
        assert len(found) == row.state_bytes[0] // 4 * len(SHAPES)
        for name, leaf in found:
            assert leaf.sharding.is_equivalent_to(sharding[name], leaf.ndim)

    params, tx = INPUTS["params"], row.make()
    assert_follows(tx.init(spread(params)))
    # The second step, as the first one has no past to reduce.
    inputs = [(INPUTS["gradients"][i], INPUTS["variances"][i]) for i in (0, 1)]
    _, state = run(row, tx, params, *zip(*inputs[:1], strict=True))
    args, more = (inputs[1][0], state, params), extra(row, inputs[1][1])
    updates, new_state = jax.jit(tx.update)(*spread(args), **spread(more))
    assert_follows(new_state)
    assert_close((updates, new_state), tx.update(*args, **more))


def test_shardings_that_are_types_stay_what_they_are(row):
    expected = shardings(AxisType.Explicit)

    def typed(tree):
        return jax.tree.map(
            lambda p, s: jax.ShapeDtypeStruct(p.shape, p.dtype, sharding=s),
            tree,
            expected,
        )

    params, gradients, variances = (
        typed(INPUTS["params"]),
        [typed(g) for g in INPUTS["gradients"]],
        [typed(v) for v in INPUTS["variances"]],
    )
    with jax.set_mesh(expected["both"].mesh):
        steps, state = jax.eval_shape(
            lambda *trees: run(row, None, *trees), params, gradients, variances
        )
    for name, leaf in accumulators(state):
        assert leaf.sharding.spec == expected[name].spec
    for updates in steps:
        assert {name: u.sharding.spec for name, u in updates.items()} == SPECS


def test_each_device_may_train_its_own_copy(row):
    """Seeds laid over devices: init and a scan of steps inside shard_map."""
    mesh = jax.make_mesh((8,), ("seed",), (AxisType.Auto,))
    tx = row.make()

    @jax.shard_map(mesh=mesh, in_specs=P("seed"), out_specs=P("seed"))
    def train(params):
        def step(carry, _):
            params, state = carry
            updates, state = tx.update(params, state, params, **extra(row, params))
            return (optax.apply_updates(params, updates), state), None

        # JAX checks that the state keeps its type, the axes it varies over included.
        (params, _), _ = jax.lax.scan(step, (params, tx.init(params)), length=2)
        return params

    copies = jax.tree.map(lambda p: jnp.stack([p] * 8), INPUTS["params"])
    trained = jax.eval_shape(train, copies)
    assert jax.tree.map(jnp.shape, trained) == jax.tree.map(jnp.shape, copies)
