"""Every optimizer and link on eight devices."""

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from optax_sign import oscillation, scale_invariant_mask

from .steps import GRADIENTS, PARAMS, VARIANCES, assert_close, extra, run

SPECS = {"first": P("x", "y"), "scalar": P(), "second": P(None, "y")}


def shardings(kind):
    mesh = jax.make_mesh((4, 2), ("x", "y"), (kind, kind))
    return {name: NamedSharding(mesh, spec) for name, spec in SPECS.items()}


def parameter(path):
    """Whose accumulator this leaf of a state is: the last name in its path, if any."""
    names = [getattr(key, "key", None) for key in path]
    return next((name for name in reversed(names) if name in SPECS), None)


def accumulators(state):
    """The leaves that belong to a parameter, with its name."""
    leaves = [(parameter(path), x) for path, x in jax.tree.leaves_with_path(state)]
    return [(name, leaf) for name, leaf in leaves if name]


def test_state_follows_the_parameters_and_eight_devices_step_like_one(row):
    sharding = shardings(AxisType.Auto)
    whole = NamedSharding(sharding["first"].mesh, P())

    def spread(tree):
        return jax.tree.map_with_path(
            lambda path, x: jax.device_put(x, sharding.get(parameter(path), whole)),
            tree,
        )

    def assert_follows(state):
        found = accumulators(state)
        assert len(found) == row.state_bytes[0] // 4 * len(PARAMS)
        for name, leaf in found:
            assert leaf.sharding.is_equivalent_to(sharding[name], leaf.ndim)

    tx = row.make()
    assert_follows(tx.init(spread(PARAMS)))
    # The second step, as the first one has no past to reduce.
    _, state = run(row, tx, gradients=GRADIENTS[:1])
    args, more = (GRADIENTS[1], state, PARAMS), extra(row, VARIANCES[1])
    updates, new_state = jax.jit(tx.update)(*spread(args), **spread(more))
    assert_follows(new_state)
    assert_close((updates, new_state), tx.update(*args, **more))


def test_shardings_that_are_types_stay_what_they_are(row):
    sharding = shardings(AxisType.Explicit)

    def typed(trees):
        return jax.tree.map_with_path(
            lambda path, x: jax.ShapeDtypeStruct(
                x.shape, x.dtype, sharding=sharding[parameter(path)]
            ),
            trees,
        )

    with jax.set_mesh(sharding["first"].mesh):
        steps, state = jax.eval_shape(
            lambda params, gradients, variances: run(
                row, params=params, gradients=gradients, variances=variances
            ),
            *typed((PARAMS, GRADIENTS, VARIANCES)),
        )
    for name, leaf in accumulators(state):
        assert leaf.sharding.spec == SPECS[name]
    for updates in steps:
        assert {name: u.sharding.spec for name, u in updates.items()} == SPECS


def test_explicitly_sharded_arrays_step_like_whole_ones(row):
    mesh = jax.make_mesh((2,), ("x",), (AxisType.Explicit,))
    specs = {"first": P("x"), "scalar": P(), "second": P("x")}

    def spread(tree):
        return {
            name: jax.device_put(leaf, NamedSharding(mesh, specs[name]))
            for name, leaf in tree.items()
        }

    trees = [PARAMS, *GRADIENTS[:2], *VARIANCES[:2]]
    expected = run(row, None, PARAMS, GRADIENTS[:2], VARIANCES[:2])
    with jax.set_mesh(mesh):
        params, *rest = map(spread, trees)
        found = run(row, None, params, rest[:2], rest[2:])
        if row.public_name == "track_oscillation":
            assert oscillation(found[1]) == oscillation(expected[1])
    for name, leaf in [*found[0][-1].items(), *accumulators(found[1])]:
        assert leaf.sharding.is_equivalent_to(params[name].sharding, leaf.ndim)
    assert_close(jax.device_get(found), expected)


def test_the_mask_of_explicitly_sharded_weights_is_that_of_whole_ones():
    def loss(params):
        unit = params["unit"] / jnp.linalg.norm(params["unit"])
        return jnp.sum(params["size"] * jnp.cos(unit)) + jnp.sum(params["zero"] ** 2)

    params = {"unit": jnp.arange(1.0, 5), "size": jnp.ones([]), "zero": jnp.zeros(2)}
    mesh = jax.make_mesh((2,), ("x",), (AxisType.Explicit,))
    with jax.set_mesh(mesh):
        spread = {
            name: jax.device_put(leaf, NamedSharding(mesh, P(*leaf.ndim * "x")))
            for name, leaf in params.items()
        }
        mask = scale_invariant_mask(loss, spread)
    assert mask == {"unit": True, "size": False, "zero": False}


def test_replicas_stay_replicas_when_their_gradients_are_averaged(row):
    """JAX checks what varies over devices: nothing of parameters and state may."""
    mesh = jax.make_mesh((8,), ("batch",), (AxisType.Auto,))
    tx = row.make()

    @jax.shard_map(mesh=mesh, in_specs=(P(), P(), P("batch")), out_specs=P())
    def train(params, state, gradients):
        mean = jax.tree.map(lambda g: jax.lax.pmean(g[0], "batch"), gradients)
        fresh = tx.init(params)

        def step(carry, _):
            params, *states = carry
            more = extra(row, jax.tree.map(jnp.abs, mean))
            updates, state = tx.update(mean, states[0], params, **more)
            _, fresh = tx.update(mean, states[1], params, **more)
            return (optax.apply_updates(params, updates), state, fresh), None

        return jax.lax.scan(step, (params, state, fresh), length=2)[0]

    given = PARAMS, tx.init(PARAMS)
    gradients = jax.tree.map(lambda g: jnp.stack([g] * 8), GRADIENTS[0])
    found = jax.eval_shape(train, *given, gradients)
    for trained, start in zip(found, (*given, given[1]), strict=True):
        assert jax.tree.map(jnp.shape, trained) == jax.tree.map(jnp.shape, start)


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

    copies = jax.tree.map(lambda p: jnp.stack([p] * 8), PARAMS)
    trained = jax.eval_shape(train, copies)
    assert jax.tree.map(jnp.shape, trained) == jax.tree.map(jnp.shape, copies)
