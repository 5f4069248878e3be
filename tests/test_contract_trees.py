"""Every optimizer and link on trees that are not a dictionary of full arrays."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from .steps import (
    GRADIENTS,
    PARAMS,
    VARIANCES,
    assert_close,
    assert_equal,
    cast,
    extra,
    run,
)


def with_leaf(leaf):
    """Parameters, gradients and variances that all have this additional leaf."""
    return {
        "params": {**PARAMS, "more": leaf},
        "gradients": [{**g, "more": leaf} for g in GRADIENTS],
        "variances": [{**v, "more": leaf} for v in VARIANCES],
    }


def without(steps, *names):
    return [{k: v for k, v in step.items() if k not in names} for step in steps]


def test_leaves_that_are_none_stay_none_and_change_no_other(row):
    steps, _ = run(row, **with_leaf(None))
    assert all(updates["more"] is None for updates in steps)
    assert_close(without(steps, "more"), run(row)[0])


def test_a_leaf_without_gradient_keeps_its_parameter_and_its_state(row):
    tx = row.make()
    start = tx.init(PARAMS)
    _, state = tx.update(GRADIENTS[0], start, PARAMS, **extra(row, VARIANCES[0]))
    gradients = {**GRADIENTS[1], "first": None}
    variances = {**VARIANCES[1], "first": None}
    updates, after = tx.update(gradients, state, PARAMS, **extra(row, variances))
    assert updates["first"] is None
    assert jax.tree.structure(updates) == jax.tree.structure(gradients)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    kept = [
        np.array_equal(old, new)
        for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True)
        if old.shape == PARAMS["first"].shape
    ]
    # Each accumulator has one leaf that changes, "second", and one that does not.
    assert kept.count(True) == kept.count(False) == row.state_bytes[0] // 4


def test_an_empty_tree_is_fine(row):
    tx = row.make()
    for empty in ({}, ()):
        state = tx.init(empty)
        updates, state = tx.update(empty, state, empty, **extra(row, empty))
        assert updates == empty
        updates, _ = tx.update(empty, state, empty, **extra(row, empty))
        assert updates == empty


def test_a_leaf_without_elements_changes_no_other(row):
    steps, _ = run(row, **with_leaf(jnp.zeros([0, 3])))
    assert all(updates["more"].shape == (0, 3) for updates in steps)
    assert_close(without(steps, "more"), run(row)[0])


def test_a_single_array_is_a_tree(row):
    steps, _ = run(
        row,
        params=PARAMS["first"],
        gradients=[g["first"] for g in GRADIENTS],
        variances=[v["first"] for v in VARIANCES],
    )
    alone, _ = run(
        row,
        params={"first": PARAMS["first"]},
        gradients=[{"first": g["first"]} for g in GRADIENTS],
        variances=[{"first": v["first"]} for v in VARIANCES],
    )
    assert_equal(steps, [updates["first"] for updates in alone])


class Layer(NamedTuple):
    """A container that is no dictionary, around containers."""

    first: Any
    rest: Any


def test_nested_containers_give_the_same_numbers(row):
    def nest(tree):
        return Layer(tree["first"], [(tree["scalar"],), {"second": tree["second"]}])

    steps, _ = run(
        row,
        params=nest(PARAMS),
        gradients=[nest(g) for g in GRADIENTS],
        variances=[nest(v) for v in VARIANCES],
    )
    assert_equal(steps, [nest(updates) for updates in run(row)[0]])


def test_complex_leaves_step_like_real_ones_in_every_direction(row):
    def turn(factor):
        params, *gradients = (
            jax.tree.map(lambda leaf: factor * leaf, cast(tree, "complex64"))
            for tree in [PARAMS, *GRADIENTS]
        )
        return run(row, params=params, gradients=gradients)

    real, real_state = run(row)
    for phase in (1, 1j, -1):
        steps, state = turn(phase)
        # A turn of parameters and gradients turns the updates, and no magnitude.
        expected = [
            jax.tree.map(lambda u: phase * cast(u, "complex64"), updates)  # noqa: B023
            for updates in real
        ]
        assert_close(steps, expected)
        for turned, plain in zip(
            jax.tree.leaves(state), jax.tree.leaves(real_state), strict=True
        ):
            np.testing.assert_allclose(jnp.abs(turned), jnp.abs(plain), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_accumulators_of_complex_leaves_keep_both_parts(row, dtype):
    tx = row.make(**dict.fromkeys(row.accumulators, dtype))
    params = cast(PARAMS, "complex64")
    gradients = [jax.tree.map(lambda g: (3 - 4j) * g, g) for g in GRADIENTS]
    steps, state = run(row, tx, params, gradients)
    assert {leaf.dtype for leaf in jax.tree.leaves(steps)} == {np.dtype("complex64")}
    types = [leaf.dtype for leaf in jax.tree.leaves(state)]
    assert types == [leaf.dtype for leaf in jax.tree.leaves(tx.init(params))]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(steps))
