"""One NaN or infinite gradient: how far it reaches, as the docstrings say it does.

That ``optax.apply_if_finite`` keeps the state is among the tests of the wrappers.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from .catalogue import ROWS
from .steps import GRADIENTS, PARAMS, VARIANCES, extra

SAID = {
    "": "makes its weight NaN|are NaN in that step",
    "weight": "updates of its weight are NaN",
    "leaf": "updates of its (leaf|sphere) are NaN",
    "matrices": "updates of its sphere are NaN",
    "all": "those of all leaves|updates of its sphere are NaN",
}
ALL = jax.tree.map(lambda p: np.ones(p.shape, bool), PARAMS)
NONE = jax.tree.map(np.zeros_like, ALL)
ONE = NONE["first"].copy()
ONE[0, 1] = True
REACH = {
    "": NONE,
    "weight": {**NONE, "first": ONE},
    "leaf": {**NONE, "first": ALL["first"]},
    "matrices": {**ALL, "scalar": NONE["scalar"]},
    "all": ALL,
}


def updates_after(row, tx, number):
    """Those of the second good gradient after one that has this number."""
    good = [jax.tree.map(lambda g: jnp.where(g == 0, 1.0, g), t) for t in GRADIENTS]
    bad = {**good[0], "first": good[0]["first"].at[0, 1].set(number)}
    state, more = tx.init(PARAMS), extra(row, VARIANCES[0])
    # The second step, as the first one has no past.
    for gradient in (good[1], bad, good[2], good[3]):
        updates, state = tx.update(gradient, state, PARAMS, **more)
    return updates


@pytest.mark.parametrize("number", [jnp.nan, jnp.inf], ids=["nan", "infinity"])
def test_it_spoils_what_the_docstring_says_and_nothing_else(row, number):
    updates = updates_after(row, row.make(), number)
    found = jax.tree.map(lambda u: ~np.isfinite(u), updates)
    reach = row.after_nan if np.isnan(number) else row.after_infinity
    jax.tree.map(np.testing.assert_array_equal, found, REACH[reach])


# What wraps any optimizer, or only looks on, has nothing of its own to say.
SILENT = ("keep_master_copy", "skip_zero_gradients", "track_oscillation")


@pytest.mark.parametrize(
    "row", [r for r in ROWS if r.public_name not in SILENT], ids=lambda row: row.name
)
def test_docstring_says_how_far_and_names_the_remedy(row):
    said = " ".join(row.factory.__doc__.split())
    assert re.search(SAID[row.after_nan], said)
    assert "NaN" in said and "``optax.apply_if_finite`` around the optimizer" in said


@pytest.mark.parametrize(
    "row", [r for r in ROWS if r.public_name in ("m_ssd", "mas")], ids=lambda r: r.name
)
def test_after_infinity_a_sign_walks_on_for_ever(row):
    tx = row.make()
    start = jnp.zeros(2)
    _, state = tx.update(jnp.array([jnp.inf, 1.0]), tx.init(start), start)
    for _ in range(50):
        updates, state = tx.update(-jnp.ones(2), state, start)
    np.testing.assert_array_equal(updates, [-0.125, 0.125])
    assert "after an infinite one it walks on for ever" in row.factory.__doc__
