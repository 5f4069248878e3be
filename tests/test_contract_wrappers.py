"""Every optimizer and link inside the wrappers of optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from .catalogue import ROWS
from .steps import (
    GRADIENTS,
    PARAMS,
    VARIANCES,
    assert_close,
    assert_equal,
    cast,
    extra,
    part,
    run,
)

RATED = [row for row in ROWS if "learning_rate" in row.options]
rated = pytest.mark.parametrize("row", RATED, ids=lambda row: row.name)
GROUP = ("first", "scalar")


def test_inject_hyperparams_equals_plain(row):
    # A function that selects leaves would be taken for a schedule.
    static = [name for name, value in row.options.items() if callable(value)]
    injected = optax.inject_hyperparams(row.factory, static)(**row.options)
    plain, _ = run(row)
    steps, state = run(row, injected)
    assert_close(steps, plain)
    for name in ("learning_rate", "beta"):
        assert (name in state.hyperparams) == (name in row.options)


@rated
def test_a_constant_schedule_equals_the_number(row):
    options = {"learning_rate": 0.125}
    if row.decays:
        options["weight_decay"] = 0.25
    schedules = {name: lambda _, v=value: v for name, value in options.items()}
    plain, _ = run(row, row.make(**options))
    scheduled, _ = run(row, row.make(**schedules))
    assert_close(scheduled, plain)


@pytest.mark.parametrize(
    "row", [r for r in RATED if not r.needs_params], ids=lambda row: row.name
)
def test_a_schedule_counts_steps_from_zero(row):
    # Without decay the rate is a factor of the updates and nothing more.
    constant, _ = run(row, row.make(learning_rate=1.0))
    falling, _ = run(row, row.make(learning_rate=lambda step: 0.5**step))
    expected = [
        jax.tree.map(lambda u, t=t: 0.5**t * u, updates)
        for t, updates in enumerate(constant)
    ]
    assert_close(falling, expected)


@pytest.fixture
def uncompiled():
    """Run jax.lax.cond as Python: the wrappers choose by it, and it compiles slowly."""
    with jax.disable_jit():
        yield


def test_inject_hyperparams_keeps_a_slow_decay_of_narrow_parameters(optimizer):
    # By default they take the parameters' dtype, and 0.999 is 1 in bfloat16.
    slow = {name: 0.999 for name in ("beta", "decay") if name in optimizer.options}
    static = [name for name, value in optimizer.options.items() if callable(value)]
    options = {**optimizer.options, **slow}
    inject = optax.inject_hyperparams(
        optimizer.factory, static, hyperparam_dtype=jnp.float32
    )
    params = cast(PARAMS, "bfloat16")
    gradients = [cast(g, "bfloat16") for g in GRADIENTS]
    plain, _ = run(optimizer, optimizer.make(**slow), params, gradients)
    steps, _ = run(optimizer, inject(**options), params, gradients)
    # Round-off may tip an update to the next number, in bfloat16 2**-7 away at most.
    assert_close(cast(steps, "float32"), cast(plain, "float32"), rtol=2**-7, atol=1e-6)


def test_multi_steps_equals_a_step_on_the_mean_gradient(row, uncompiled):
    # Of two variances the second arrives: that of the mean is what it has to be.
    variances = [v for v in VARIANCES[:2] for _ in range(2)]
    tx = optax.MultiSteps(row.make(), every_k_schedule=2)
    accumulated, _ = run(row, tx, variances=variances)
    means = [
        jax.tree.map(lambda a, b: (a + b) / 2, *GRADIENTS[i : i + 2]) for i in (0, 2)
    ]
    expected, _ = run(row, gradients=means)
    nothing = jax.tree.map(jnp.zeros_like, PARAMS)
    assert_close(accumulated, [nothing, expected[0], nothing, expected[1]])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(
    "wrap",
    [lambda tx: optax.MultiSteps(tx, 2), lambda tx: optax.apply_if_finite(tx, 2)],
)
def test_both_ways_through_a_wrapper_have_the_same_types(row, wrap, dtype):
    # Tracing jax.lax.cond compares its branches.
    tx = wrap(row.make())
    params, gradients, variance = (
        cast(tree, dtype) for tree in (PARAMS, GRADIENTS[0], VARIANCES[0])
    )
    if row.wide_updates:  # wants gradients as wide, as its docstring says
        gradients = GRADIENTS[0]
    state = jax.eval_shape(tx.init, params)
    more = extra(row, variance)
    _, new_state = jax.eval_shape(tx.update, gradients, state, params, **more)
    assert jax.tree.structure(new_state) == jax.tree.structure(state)


def test_masked_sees_the_selected_leaves_only(row):
    mask = {name: name in GROUP for name in PARAMS}
    # Extra arguments shaped like the parameters are masked on request.
    masked = optax.masked(row.make(), mask, mask_compatible_extra_args=True)
    steps, _ = run(row, masked)
    alone, _ = run(
        row,
        params=part(PARAMS, *GROUP),
        gradients=[part(g, *GROUP) for g in GRADIENTS],
        variances=[part(v, *GROUP) for v in VARIANCES],
    )
    expected = [
        {**updates, "second": gradient["second"]}
        for updates, gradient in zip(alone, GRADIENTS, strict=True)
    ]
    assert_close(steps, expected)


def test_partition_runs_each_group_alone(row):
    labels = {name: "this" if name in GROUP else "that" for name in PARAMS}
    steps, _ = run(
        row,
        optax.partition(
            {"this": row.make(), "that": row.make()},
            labels,
            mask_compatible_extra_args=True,
        ),
    )
    whole, _ = run(row)
    for group in (GROUP, ("second",)):
        alone, _ = run(
            row,
            params=part(PARAMS, *group),
            gradients=[part(g, *group) for g in GRADIENTS],
            variances=[part(v, *group) for v in VARIANCES],
        )
        assert_close([part(updates, *group) for updates in steps], alone)
    apart = all(
        np.allclose(a, b, atol=1e-6)
        for a, b in zip(jax.tree.leaves(steps), jax.tree.leaves(whole), strict=True)
    )
    # Leaf by leaf the groups do not matter; a reduction over leaves sees its group.
    assert apart is not row.couples


def with_number(gradients, number):
    """The gradients with one entry replaced."""
    return {**gradients, "first": gradients["first"].at[0, 1].set(number)}


def test_apply_if_finite_skips_the_step_and_keeps_the_state(row, uncompiled):
    tx = optax.apply_if_finite(row.make(), max_consecutive_errors=5)
    params, state = PARAMS, tx.init(PARAMS)
    more = extra(row, VARIANCES[0])
    updates, state = tx.update(GRADIENTS[0], state, params, **more)
    for number in (jnp.nan, jnp.inf):
        bad = with_number(GRADIENTS[1], number)
        nothing, skipped = tx.update(bad, state, params, **more)
        assert_equal(nothing, jax.tree.map(jnp.zeros_like, params))
        assert_equal(skipped.inner_state, state.inner_state)
        assert not skipped.last_finite


def test_nan_is_never_hidden(row):
    tx = row.make()
    _, state = tx.update(
        GRADIENTS[0], tx.init(PARAMS), PARAMS, **extra(row, VARIANCES[0])
    )
    bad = with_number(GRADIENTS[1], jnp.nan)
    for start in (tx.init(PARAMS), state):
        updates, _ = tx.update(bad, start, PARAMS, **extra(row, VARIANCES[1]))
        assert np.isnan(updates["first"][0, 1])


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.accumulators], ids=lambda row: row.name
)
def test_nan_in_an_average_is_never_hidden(row):
    tx, more = row.make(), extra(row, VARIANCES[0])
    bad = with_number(GRADIENTS[0], jnp.nan)
    _, state = tx.update(bad, tx.init(PARAMS), PARAMS, **more)
    good = with_number(GRADIENTS[1], 1.0)
    updates, _ = tx.update(good, state, PARAMS, **more)
    assert np.isnan(updates["first"][0, 1])


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.needs_variance], ids=lambda row: row.name
)
def test_nan_in_the_variance_is_never_hidden(row):
    tx = row.make()
    bad = with_number(VARIANCES[0], jnp.nan)
    updates, _ = tx.update(GRADIENTS[0], tx.init(PARAMS), PARAMS, variance=bad)
    assert np.isnan(updates["first"][0, 1])


def test_map_params_finds_the_accumulators(row):
    tx = row.make()
    state = tx.init(PARAMS)
    labels = optax.tree.map_params(
        tx, lambda _: "accumulator", state, transform_non_params=lambda _: "other"
    )
    found = [
        leaf
        for leaf, label in zip(
            jax.tree.leaves(state), jax.tree.leaves(labels), strict=True
        )
        if label == "accumulator"
    ]
    # Float32 accumulators, four bytes each: one leaf for every leaf of the parameters.
    assert len(found) == row.state_bytes[0] // 4 * len(PARAMS)
    assert {leaf.shape for leaf in found} <= {p.shape for p in PARAMS.values()}


def test_optimizers_chain_after_a_link_of_optax(optimizer):
    tx = optax.chain(optax.clip(2.0), optimizer.make())
    clipped = [jax.tree.map(lambda g: jnp.clip(g, -2, 2), g) for g in GRADIENTS]
    assert_close(run(optimizer, tx)[0], run(optimizer, gradients=clipped)[0])
