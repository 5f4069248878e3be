"""Weight decay of every optimizer: decoupled, times the rate, on selected leaves."""

import jax
import numpy as np
import optax
import pytest

from .catalogue import ROWS
from .steps import GRADIENTS, PARAMS, VARIANCES, assert_close, extra, run


def decaying(optimizer):
    """The leaves that decay: on a sphere, decay only sets the rate."""
    spherical = optimizer.options.get("scale_invariant", lambda _: {})(PARAMS)
    return [name for name in PARAMS if not spherical.get(name, False)]


def difference(optimizer, **options):
    """What decay adds to an update, after a step that fills the state."""
    updates = []
    for weight_decay in (options.pop("weight_decay"), 0.0):
        tx = optimizer.make(weight_decay=weight_decay, **options)
        state = tx.init(PARAMS)
        for gradients, variance in zip(GRADIENTS[:2], VARIANCES, strict=False):
            update, state = tx.update(
                gradients, state, PARAMS, **extra(optimizer, variance)
            )
        updates.append(update)
    return jax.tree.map(np.subtract, *updates)


def assert_adds(added, factors):
    for name, factor in factors.items():
        # Differences of float32 numbers of size 1.
        np.testing.assert_allclose(added[name], factor * PARAMS[name], atol=1e-6)


def test_decay_is_decoupled_and_multiplied_by_the_base_rate(optimizer):
    added = difference(optimizer, learning_rate=0.25, weight_decay=0.5)
    assert_adds(added, dict.fromkeys(decaying(optimizer), -0.125))


def test_schedules_of_rate_and_decay_multiply_at_the_same_step(optimizer):
    # The step compared is the second: 0.25 of the first rate, 0.5 of the first decay.
    added = difference(
        optimizer,
        learning_rate=lambda step: 0.25**step,
        weight_decay=optax.exponential_decay(0.5, 1, 0.5),
    )
    assert_adds(added, dict.fromkeys(decaying(optimizer), -0.25 * 0.25))


@pytest.mark.parametrize("as_function", [False, True])
def test_mask_selects_what_decays(optimizer, as_function):
    names = decaying(optimizer)
    tree = {name: name != names[-1] for name in PARAMS}
    mask = (lambda params: tree) if as_function else tree
    added = difference(optimizer, learning_rate=0.25, weight_decay=0.5, mask=mask)
    assert_adds(added, {name: -0.125 * tree[name] for name in names})


def test_parameters_may_be_left_out_where_nothing_needs_them(row):
    tx = row.make()
    state, more = tx.init(PARAMS), extra(row, VARIANCES[0])
    if row.needs_params:
        with pytest.raises(ValueError, match="params"):
            tx.update(GRADIENTS[0], state, **more)
        return
    updates, _ = tx.update(GRADIENTS[0], state, **more)
    assert_close(updates, run(row)[0][0])


def test_decay_asks_for_the_parameters(optimizer):
    tx = optimizer.make(weight_decay=0.5)
    with pytest.raises(ValueError, match="params"):
        tx.update(GRADIENTS[0], tx.init(PARAMS), **extra(optimizer, VARIANCES[0]))


def test_mini_batch_variances_are_asked_for():
    for row in ROWS:
        if row.needs_variance:
            tx = row.make()
            with pytest.raises(ValueError, match="variance must be the tree"):
                tx.update(GRADIENTS[0], tx.init(PARAMS), PARAMS)
