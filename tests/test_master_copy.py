"""A float32 master of narrow parameters: its steps, and where the weights land."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from optax_sign import keep_master_copy, mas, skip_zero_gradients

from .reference import rounding, sign_family

START = np.array([[0.05, 0.2, -0.3], [1.0, -2.0, 0.0]])


def gradients(steps):
    """Of bfloat16 and with a direction, so that the weights get somewhere."""
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(steps, *START.shape)) + np.sign(START + 0.5)
    return jnp.asarray(draws, "bfloat16")


def make():
    return mas(optax.cosine_decay_schedule(2e-4, 20_000), weight_decay=0.1)


def descend(tx, params, steps):
    """All parameters on the way and the last state, of one compiled scan."""

    def step(carry, g):
        params, state = carry
        updates, state = tx.update(g.astype(params.dtype), state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    run = jax.jit(lambda carry: jax.lax.scan(step, carry, steps))
    (_, state), path = run((params, tx.init(params)))
    return path, state


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_ten_thousand_steps_are_those_of_float32_bit_for_bit(dtype):
    steps = gradients(10_000).astype(dtype)
    start = jnp.asarray(START, dtype)
    path, state = descend(keep_master_copy(make()), start, steps)
    wide, _ = descend(make(), start.astype("float32"), steps)
    np.testing.assert_array_equal(state.master, wide[-1])
    # Every position on the way is the master of that step, rounded.
    np.testing.assert_array_equal(path, wide.astype(dtype))
    assert path.dtype == dtype and state.master.dtype == "float32"
    assert np.all(np.abs(wide[-1] - START) > 0.1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_updates_are_those_of_the_transcription(dtype):
    steps = gradients(30).astype(dtype)
    start = np.asarray(jnp.asarray(START, dtype), float)
    tx = keep_master_copy(mas(0.3, weight_decay=0.1))
    path, _ = descend(tx, jnp.asarray(start, dtype), steps)
    updates = rounding.keep_master_copy(
        [start],
        sign_family.mas(
            [start],
            [[np.float64(g)] for g in steps],
            learning_rate=0.3,
            weight_decay=0.1,
        ),
        digits=int(jnp.finfo(dtype).nmant),
        smallest=int(jnp.finfo(dtype).minexp),
    )
    expected = start + np.cumsum([u for (u,) in updates], axis=0)
    # Large steps, over many powers of two and through 0. A master of float32 is 30
    # roundings of 6e-8 off, and so may be on the other side of a tie: not here.
    np.testing.assert_array_equal(np.float64(path), expected)


def test_a_weight_that_somebody_else_changes_stays_as_it_was_made():
    tx = keep_master_copy(optax.sgd(1e-4))
    params = jnp.ones(3, "bfloat16")
    state = tx.init(params)
    ones = jnp.ones_like(params)
    for _ in range(10):
        updates, state = tx.update(ones, state, params)
        params = optax.apply_updates(params, updates)
    kept = state.master
    params = params.at[1].set(-2.0).at[2].set(jnp.nan)
    _, state = tx.update(ones, state, params)
    np.testing.assert_array_equal(
        state.master, [kept[0] - jnp.float32(1e-4), jnp.float32(-2.0001), jnp.nan]
    )


def test_a_step_that_was_not_applied_is_not_made():
    tx = keep_master_copy(mas(0.1))
    params = jnp.ones(2, "bfloat16")
    state = tx.init(params)
    _, after = tx.update(params * jnp.nan, state, params)
    updates, _ = tx.update(
        params, after._replace(inner_state=state.inner_state), params
    )
    np.testing.assert_array_equal(updates, jnp.bfloat16(0.9).astype("float32") - 1)


def test_narrow_and_wide_parameters_in_a_partition_and_a_mask():
    params = {
        "narrow": jnp.asarray(START, "bfloat16"),
        "wide": jnp.asarray(START, "float32"),
        "frozen": jnp.ones(2, "float16"),
    }
    steps = [dict.fromkeys(params, g.astype("float32")) for g in gradients(20)]
    for g in steps:
        g["frozen"] = jnp.ones(2)
    labels = {"narrow": "a", "wide": "a", "frozen": "b"}
    inside = optax.partition({"a": mas(2e-4), "b": optax.set_to_zero()}, labels)
    outside = optax.partition(
        {"a": keep_master_copy(mas(2e-4)), "b": optax.set_to_zero()}, labels
    )
    masked = optax.masked(
        keep_master_copy(mas(2e-4)), {k: k != "frozen" for k in params}
    )
    found = {}
    for name, tx in {
        "inside": keep_master_copy(inside),
        "outside": outside,
        "masked": masked,
    }.items():
        moved, state = params, tx.init(params)
        for g in steps:
            g = {**g, "frozen": 0 * g["frozen"]} if name == "masked" else g
            updates, state = tx.update(g, state, moved)
            moved = optax.apply_updates(moved, updates)
        found[name] = moved
    assert found["inside"]["narrow"].dtype == "bfloat16"
    np.testing.assert_array_equal(found["inside"]["frozen"], params["frozen"])
    # 20 steps of 2e-4, of which none shows in bfloat16 by itself.
    np.testing.assert_array_equal(
        found["inside"]["narrow"][:, 1],
        (
            jnp.asarray(START, "bfloat16").astype("float32")[:, 1]
            - 20 * jnp.float32(2e-4) * np.sign(START + 0.5)[:, 1]
        ).astype("bfloat16"),
    )
    for name in ("outside", "masked"):
        jax.tree.map(np.testing.assert_array_equal, found[name], found["inside"])


def test_shapes_are_enough_and_wide_parameters_have_no_copy():
    params = {
        "n": jnp.ones((2, 2), "bfloat16"),
        "w": jnp.ones(2),
        "c": jnp.ones(1) + 0j,
    }
    tx = keep_master_copy(optax.adam(1e-3))
    shapes = jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, p.dtype), params)
    state = tx.init(shapes)
    jax.tree.map(np.testing.assert_array_equal, state, tx.init(params))
    assert state.master["w"] is None and state.master["c"] is None
    assert state.inner_state[0].mu["n"].dtype == "float32"


def test_a_donated_step_is_made_in_place():
    params = jnp.zeros((256, 256), "bfloat16")
    tx = keep_master_copy(mas(2e-4, weight_decay=0.1))

    def step(params, state, gradients):
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    given = params, tx.init(params)
    lowered = jax.jit(step, donate_argnums=(0, 1)).lower(*given, params)
    memory = lowered.compile().memory_analysis()
    assert memory.alias_size_in_bytes == sum(x.nbytes for x in jax.tree.leaves(given))
    # Two roundings that XLA may not skip, of two bytes a weight.
    assert memory.temp_size_in_bytes < 2.1 * params.nbytes


def test_strict_promotion_changes_nothing():
    # But optax.apply_updates adds no float32 to bfloat16 in this mode.
    tx, params = keep_master_copy(mas(0.1, weight_decay=0.1)), jnp.ones(2, "bfloat16")
    expected = tx.update(params, tx.init(params), params)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        found = tx.update(params, tx.init(params), params)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("wrap", [keep_master_copy, skip_zero_gradients])
def test_wraps_what_wants_more_arguments(wrap):
    def update(updates, state, params, *, factor):
        return jax.tree.map(lambda u: factor * u, updates), state

    inner = optax.GradientTransformationExtraArgs(lambda params: (), update)
    tx, params = wrap(inner), jnp.ones(2)
    updates, _ = tx.update(params, tx.init(params), params, factor=3.0)
    np.testing.assert_array_equal(updates, 3 * params)
