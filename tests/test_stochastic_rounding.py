"""Stochastic rounding: to which neighbours, how often, by the same bits anywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from optax_sign import apply_updates_stochastically, mas
from optax_sign._random_bits import random_bits

from .reference import rounding

NARROW = ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"]
narrow = pytest.mark.parametrize("dtype", NARROW)


def grid(dtype):
    """Digits after the first, and the exponent of the smallest normal number."""
    return int(jnp.finfo(dtype).nmant), int(jnp.finfo(dtype).minexp)


def test_bits_are_those_of_the_transcription():
    for shape in [(), (7,), (3, 4, 5)]:
        for step, leaf, seed in [(0, 0, 0), (2**31 - 1, 3, 2**40 + 1)]:
            np.testing.assert_array_equal(
                random_bits(shape, step, leaf, seed),
                rounding.random_bits(shape, step, leaf, seed),
            )


def test_bits_are_uniform_and_know_nothing_of_their_neighbours():
    n = 2**16
    draws = [
        np.asarray(random_bits((256, 256), s, leaf)).ravel()
        for s, leaf in [(0, 0), (1, 0), (0, 1), (2, 0)]
    ]
    for bits in draws:
        counts = np.bincount(bits >> 24, minlength=256)
        # χ² of 255 degrees of freedom has a standard deviation of 23.
        assert abs(np.sum((counts - n / 256) ** 2) / (n / 256) - 255) < 5 * 23
        others = [
            np.roll(bits, 1),
            np.roll(bits, 256),
            *(d for d in draws if d is not bits),
        ]
        for other in others:
            # A correlation of independent numbers is normal, with deviation 1/√n.
            assert abs(np.corrcoef(bits, other)[0, 1]) < 5 / np.sqrt(n)


@narrow
def test_each_number_goes_to_the_neighbour_that_its_bits_say(dtype):
    digits, smallest = grid(dtype)
    rng = np.random.default_rng(0)
    exponents = rng.integers(max(smallest - digits - 2, -100), 8, size=1000)
    numbers = np.ldexp(rng.integers(-(2**10), 2**10, size=1000) / 2**10, exponents)
    # Three more binary digits than the dtype has, so that float32 holds the sums.
    unit = rounding.spacing(numbers, digits, smallest)
    sums = np.rint(numbers / unit * 8) * unit / 8
    start = jnp.asarray(numbers, dtype)
    updates = jnp.asarray(sums - np.float64(start), jnp.float32)
    found = apply_updates_stochastically(start, updates, 3, 5)
    bits = rounding.random_bits((1000,), 3, 0, 5)
    assert found.dtype == dtype
    np.testing.assert_array_equal(
        np.float64(found), rounding.stochastic(sums, bits, digits, smallest)
    )
    # Both ways, on both sides.
    assert len({*np.sign((np.float64(found) - sums) * sums)}) == 3


@narrow
def test_exact_giant_and_missing_numbers(dtype):
    limits = jnp.finfo(dtype)
    least, most = float(limits.smallest_subnormal), float(limits.max)
    exact = jnp.asarray([0, 1, -1.5, limits.tiny, most, -most], dtype)
    if dtype != "bfloat16":  # whose denormal numbers XLA flushes on a CPU, as float32's
        exact = jnp.append(exact, jnp.asarray([least, -3 * least], dtype))
    for step in range(3):
        stay = apply_updates_stochastically(exact, jnp.zeros(exact.shape), step)
        assert stay.dtype == dtype
        np.testing.assert_array_equal(np.float64(stay), np.float64(exact))
        params = jnp.asarray([most, -most, 0, 0], dtype)
        beyond = most * 2.0 ** -(2 + int(limits.nmant))
        added = jnp.array([beyond, -beyond, jnp.nan, jnp.inf])
        found = np.float64(apply_updates_stochastically(params, added, step))
        np.testing.assert_array_equal(found[:2], [most, -most])
        assert np.isnan(found[2])
        # This float8 has no infinity, and makes NaN of it.
        assert np.isnan(found[3]) if dtype == "float8_e4m3fn" else found[3] == np.inf


def test_only_narrow_parameters_are_rounded_and_none_moves_without_an_update():
    params = {
        "wide": jnp.array([1.0, 1e8]),
        "complex": jnp.array([1 + 1j]),
        "whole": jnp.array([3]),
        "none": None,
        "still": jnp.ones(2, "bfloat16"),
    }
    updates = {
        "wide": jnp.array([1e-4, 3.0]),
        "complex": jnp.array([1e-4j]),
        "whole": jnp.array([2]),
        "none": None,
        "still": None,
    }
    found = apply_updates_stochastically(params, updates, 0)
    assert found["still"] is params["still"] and found["none"] is None
    del params["still"], updates["still"], found["still"]
    expected = optax.apply_updates(params, updates)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert jax.tree.map(jnp.result_type, found) == jax.tree.map(
        jnp.result_type, expected
    )


def trained(dtype, start, steps, seeds):
    """Weights after mas with decay on signs that change, one row for each seed."""
    tx = mas(2e-4, weight_decay=0.1, mu_dtype="float32")

    def train(seed):
        def step(carry, t):
            params, state = carry
            gradient = jnp.where(t % 8 < 5, 1.0, -1.0) * jnp.ones(start.shape)
            updates, state = tx.update(gradient, state, params)
            params = apply_updates_stochastically(params, updates, t, seed)
            return (params, state), None

        params = jnp.asarray(start, dtype)
        carry = (params, tx.init(params))
        return jax.lax.scan(step, carry, jnp.arange(steps))[0][0]

    return np.float64(jax.jit(jax.vmap(train))(jnp.arange(seeds)))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_ten_thousand_steps_are_those_of_float32_in_the_mean(dtype):
    start = np.array([0.5, -0.25, 2.0, 1.0])
    steps, seeds = 10_000, 64
    (exact,) = trained("float32", start, steps, 1)
    # Rounded to nearest, none but the last steps of the smallest would be made.
    assert np.all(np.abs(exact - start) > 0.1)
    found = trained(dtype, start, steps, seeds)
    error = np.mean(found, axis=0) - exact
    # The mean of independent seeds is normal; 5 standard errors are met once in 2e6,
    # and are a twentieth of the way at most.
    deviation = np.std(found, axis=0, ddof=1) / np.sqrt(seeds)
    assert np.all(np.abs(error) < 5 * deviation)
    assert np.all(5 * deviation < 0.05 * np.abs(exact - start))


def test_the_same_bits_on_eight_devices_and_in_every_transformation():
    rng = np.random.default_rng(1)
    shapes = {"matrix": (8, 6), "vector": (16,), "scalar": ()}
    params = {k: jnp.asarray(rng.normal(size=s), "bfloat16") for k, s in shapes.items()}
    updates = {
        k: jnp.asarray(rng.normal(size=s) * 1e-3, "float32") for k, s in shapes.items()
    }
    expected = apply_updates_stochastically(params, updates, 4)

    def check(found):
        jax.tree.map(np.testing.assert_array_equal, found, expected)

    check(jax.jit(apply_updates_stochastically)(params, updates, 4))
    specs = {"matrix": P("x", "y"), "vector": P(("x", "y")), "scalar": P()}
    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((4, 2), ("x", "y"), (kind, kind))
        with jax.set_mesh(mesh):
            spread = [
                {
                    k: jax.device_put(v, NamedSharding(mesh, specs[k]))
                    for k, v in t.items()
                }
                for t in (params, updates)
            ]
            found = jax.jit(apply_updates_stochastically)(*spread, 4)
        assert found["matrix"].sharding.spec == specs["matrix"]
        check(jax.device_get(found))

    def in_scan(params, updates):
        def step(params, t):
            new = apply_updates_stochastically(params, updates, t)
            return params, new

        return jax.lax.scan(step, params, jnp.arange(5))[1]

    check(jax.tree.map(lambda x: x[-1], jax.jit(in_scan)(params, updates)))
    two = jax.tree.map(lambda *x: jnp.stack(x), params, params)
    vmapped = jax.vmap(apply_updates_stochastically, (0, None, 0))
    found = vmapped(two, updates, jnp.array([4, 5]))
    check(jax.tree.map(lambda x: x[0], found))
    assert np.any(found["matrix"][0] != found["matrix"][1])


def test_no_array_of_random_bits_is_made():
    params = jnp.zeros((256, 256), "bfloat16")
    step = jax.jit(apply_updates_stochastically, donate_argnums=0)
    lowered = step.lower(params, params.astype("float32"), 0)
    memory = lowered.compile().memory_analysis()
    assert memory.alias_size_in_bytes == params.nbytes
    assert memory.temp_size_in_bytes < params.nbytes / 10


def test_strict_promotion_changes_nothing():
    params, updates = jnp.ones((2, 3), "bfloat16"), jnp.full((2, 3), 1e-3)
    expected = apply_updates_stochastically(params, updates, 1)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        found = apply_updates_stochastically(params, updates, jnp.int32(1))
    np.testing.assert_array_equal(found, expected)
