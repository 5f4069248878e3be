"""What every optimizer and link stores and emits, in each dtype."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from .catalogue import ROWS, Row
from .steps import GRADIENTS, PARAMS, assert_close, assert_equal, cast, extra, run

NARROW = ["bfloat16", "float16"]
DTYPES = ["float32", *NARROW]
accumulating = pytest.mark.parametrize(
    "row", [row for row in ROWS if row.accumulators], ids=lambda row: row.name
)


def dtypes(tree):
    return jax.tree.map(lambda leaf: leaf.dtype, tree)


@pytest.mark.parametrize("dtype", DTYPES)
def test_updates_have_the_dtype_of_gradients_and_the_state_keeps_its_own(row, dtype):
    params = cast(PARAMS, dtype)
    tx = row.make()
    steps, state = run(row, tx, params, [cast(g, dtype) for g in GRADIENTS])
    assert dtypes(steps[-1]) == dtypes(PARAMS if row.wide_updates else params)
    assert dtypes(state) == dtypes(tx.init(params))


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", ["learning_rate", "weight_decay"])
def test_a_float32_schedule_does_not_widen_updates(optimizer, name, dtype):
    params = cast(PARAMS, dtype)
    tx = optimizer.make(**{name: lambda step: jnp.float32(0.125)})
    steps, _ = run(optimizer, tx, params, [cast(g, dtype) for g in GRADIENTS[:1]])
    assert dtypes(steps[0]) == dtypes(params)


@pytest.mark.parametrize("weight_decay", [0.0, 0.25])
def test_narrow_gradients_of_wide_parameters_give_wide_updates(optimizer, weight_decay):
    narrow = [cast(g, "bfloat16") for g in GRADIENTS]
    tx = optimizer.make(weight_decay=weight_decay)
    steps, state = run(optimizer, tx, gradients=narrow)
    expected, _ = run(optimizer, tx)
    assert dtypes(state) == dtypes(tx.init(PARAMS))
    # The gradients are exact, and so the steps are those of float32.
    assert_equal(steps, expected)


PAIRS = [
    ("float32", "bfloat16"),
    ("float32", "float16"),
    ("float32", "float32"),
    ("float64", "bfloat16"),
    ("float64", "float32"),
    ("float64", "float64"),
]


@pytest.mark.parametrize(("parameter", "gradient"), PAIRS)
def test_decay_of_twenty_thousand_steps_is_that_of_float64(
    optimizer, parameter, gradient
):
    # Steps of alternating sign, which an update in the gradient's dtype would add the
    # decay to and round it off again.
    start = np.array([[0.1, 0.02], [-1.0, 3.0]])
    signs = np.array([[1.0, -1.0], [-1.0, 1.0]])

    def weights(parameter, gradient):
        select = {"scale_invariant": {"w": False}}
        tx = optimizer.make(
            learning_rate=1e-3,
            weight_decay=0.05,
            **(select if "scale_invariant" in optimizer.options else {}),
        )

        def step(carry, t):
            params, state = carry
            g = {"w": jnp.asarray(jnp.where(t % 2, -signs, signs), gradient)}
            more = extra(optimizer, jax.tree.map(jnp.square, g))
            updates, state = tx.update(g, state, params, **more)
            return (optax.apply_updates(params, updates), state), None

        params = {"w": jnp.asarray(start, parameter)}
        carry = (params, tx.init(params))
        return jax.jit(lambda c: jax.lax.scan(step, c, jnp.arange(20_000))[0][0])(carry)

    with jax.enable_x64(True):
        found, exact = (weights(*p) for p in ((parameter, gradient), ("float64",) * 2))
    # Each of 20,000 steps rounds float32 weights by 2**-25 of themselves: a part in a
    # thousand if all were on one side, and as a random walk a hundredth of that.
    np.testing.assert_allclose(found["w"], exact["w"], rtol=1e-3)


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_numbers_give_the_same_steps_but_for_rounding(row, dtype):
    gradients = [cast(g, dtype) for g in GRADIENTS]
    steps, _ = run(row, params=cast(PARAMS, dtype), gradients=gradients)
    expected, _ = run(row)
    # Averages of four small integers lose few bits; the rounding of averages, updates
    # and parameters, each by 2**-9 in bfloat16, adds up.
    assert_close(cast(steps, "float32"), expected, rtol=0.05, atol=0.05)


@accumulating
def test_narrow_accumulators_give_the_same_steps_but_for_rounding(row):
    tx = row.make(**dict.fromkeys(row.accumulators, "bfloat16"))
    steps, state = run(row, tx)
    expected, _ = run(row)
    assert dtypes(steps) == dtypes(expected)
    assert dtypes(state) == dtypes(tx.init(PARAMS))
    # Averages are rounded by 2**-9 in each of four steps; v - m**2 magnifies that.
    assert_close(steps, expected, rtol=0.1, atol=0.1)


@accumulating
def test_a_step_agrees_with_the_narrow_state_it_leaves_also_under_jit(row):
    # In float32 these averages are exact, in bfloat16 they are not: what XLA keeps in
    # float32 against the wish of the library shows as a difference of 2**-9.
    rng = np.random.default_rng(0)
    integers = [
        jax.tree.map(lambda p: rng.integers(-4095, 4096, size=p.shape), PARAMS)
        for _ in range(4)
    ]
    gradients = [
        jax.tree.map(lambda n: jnp.asarray(n / 1024, "float32"), g) for g in integers
    ]
    tx = row.make(**dict.fromkeys(row.accumulators, "bfloat16"))
    eager, eager_state = run(row, tx, gradients=gradients)
    compiled, compiled_state = run(
        row, tx, gradients=gradients, update=jax.jit(tx.update)
    )
    assert_close(compiled_state, eager_state)
    assert_close(compiled, eager)


@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_gradients_give_zero_updates(row, dtype):
    # With the radius that they have, parameters are on their sphere already.
    tx = row.make(**({"radius": None} if "radius" in row.options else {}))
    params = cast(PARAMS, dtype)
    zeros = [jax.tree.map(jnp.zeros_like, params)] * 3
    steps, _ = run(row, tx, params, zeros, zeros)
    assert_close(steps, zeros, rtol=0, atol=0)


@pytest.mark.parametrize("size", [6e-8, 2e4])
def test_extreme_float16_gradients_give_finite_updates(row, size):
    # The smallest number and a large one: float16 cannot hold their squares.
    params = cast(PARAMS, "float16")
    gradients = [jax.tree.map(lambda p: jnp.full_like(p, size), params)] * 3
    steps, _ = run(row, row.make(), params, gradients, gradients)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(steps))


@pytest.mark.parametrize(
    "row", [r for r in ROWS if "nu_dtype" in r.accumulators], ids=lambda row: row.name
)
@pytest.mark.parametrize("dtype", ["float16", "float8_e4m3fn"])
def test_squares_of_small_range_are_kept_in_float32(row, dtype):
    state = row.make().init(cast(PARAMS, dtype))
    found = {str(leaf.dtype) for leaf in jax.tree.leaves(state) if leaf.size > 1}
    assert found == {dtype, "float32"}


@pytest.mark.parametrize(
    "row", [r for r in ROWS if "nu_dtype" in r.accumulators], ids=lambda row: row.name
)
def test_one_gradient_too_large_to_square_is_forgotten(row):
    # Its square is no float16; a hundred steps later it weighs 0.75**100 = 3e-13.
    tx, ones = row.make(), jnp.ones([2], "float16")
    state = tx.init(ones)
    for gradient in [jnp.array([1000, 1], "float16")] + [ones] * 100:
        more = extra(row, jnp.square(gradient.astype("float32")))
        updates, state = tx.update(gradient, state, ones, **more)
    # Averages in float16 stop a few times 2**-10 away from what they approach.
    np.testing.assert_allclose(updates[0], updates[1], rtol=0.02)


@accumulating
def test_one_gradient_beyond_a_narrow_average_is_forgotten(row):
    tx = row.make(**dict.fromkeys(row.accumulators[:1], "float16"))
    params = {"w": jnp.ones([2, 2])}  # on the sphere of AdaRem-S, too
    state = tx.init(params)
    for size in [2e6] + 100 * [-1.0]:
        gradient = {"w": jnp.full([2, 2], size)}
        more = extra(row, jax.tree.map(jnp.square, gradient))
        _, state = tx.update(gradient, state, params, **more)
    means = [leaf for leaf in jax.tree.leaves(state) if leaf.dtype == jnp.float16]
    assert means
    for mean in means:
        # An average stops where a quarter of the rest is half of its last place, so at
        # 2**-12; of the outlier 0.75**100 * 2**14 is left, 5e-9.
        np.testing.assert_allclose(mean, -1.0, rtol=4 * 2**-12)


@accumulating
def test_a_float64_decay_does_not_widen_the_state(row):
    # Under x64 a NumPy scalar, unlike a Python number, is a float64 to JAX.
    with jax.enable_x64(True):
        tx = row.make(beta=np.float64(0.75))
        _, state = run(row, tx)
        assert dtypes(state) == dtypes(tx.init(PARAMS))


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.name not in ("ssd", "skip_zero_gradients")],
    ids=lambda row: row.name,
)
def test_whole_numbers_are_refused_as_parameters(row):
    # But for SSD, alone and wrapped, which keeps nothing of them.
    with pytest.raises(ValueError, match=r"floating or complex .* got one of int32\."):
        row.make().init({"w": jnp.arange(6).reshape(2, 3)})


def test_gradients_may_be_numbers(row):
    numbers = run(row, row.make(), 1.0, [2.0, -1.0], [0.5, 0.25])
    arrays = run(
        row, row.make(), *jax.tree.map(jnp.asarray, (1.0, [2.0, -1.0], [0.5, 0.25]))
    )
    assert_close(jax.tree.map(jnp.asarray, numbers), arrays)


def state_bytes(row: Row, dtype, **options) -> float:
    """Bytes of the state per parameter; few numbers may not belong to any."""
    size = 1000
    state = jax.eval_shape(row.make(**options).init, {"w": jnp.zeros([size], dtype)})
    leaves = jax.tree.leaves(state)
    assert sum(leaf.size for leaf in leaves if leaf.size < size) <= 10
    large = [leaf for leaf in leaves if leaf.size >= size]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in large) / size


def test_bytes_of_state_per_parameter(row):
    sizes = state_bytes(row, "float32"), state_bytes(row, "bfloat16")
    assert sizes == row.state_bytes


@accumulating
def test_every_accumulator_has_a_dtype(row):
    wide, _ = row.state_bytes
    for name in row.accumulators:
        assert state_bytes(row, "float32", **{name: "bfloat16"}) == wide - 2
    narrow = dict.fromkeys(row.accumulators, "bfloat16")
    assert state_bytes(row, "float32", **narrow) == wide / 2
    unchanged = dict.fromkeys(row.accumulators, "float32")
    assert state_bytes(row, "bfloat16", **unchanged) == wide
