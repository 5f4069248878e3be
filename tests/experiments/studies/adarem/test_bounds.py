"""The bounds of AdaRem's factor: what is tried, and that a breach would be seen."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.studies.adarem import bounds
from tests.reference import resilience


@pytest.fixture(scope="module")
def table():
    return bounds.table(steps=60, size=20)


def test_a_table_is_plain_numbers_and_follows_from_its_seed(table):
    text = json.dumps(table, allow_nan=False)
    assert json.loads(text) == table
    assert bounds.table(steps=60, size=20) == table


def test_the_claim_holds_and_the_bounds_are_approached(table):
    claim = bounds.BOUNDS
    evidence = claim.trial.evidence(table)
    for condition in claim.rule:
        measured = condition.measure(evidence)
        assert condition.least <= measured <= condition.greatest, condition.text
    for dtype in bounds.DTYPES:
        # Six kinds of gradients, three λ, two ε and two scopes.
        assert table[f"{dtype}/tried"] == 60 * 20 * 6 * 3 * 2 * 2
        # Room of 8 ε is 6 % of λ^t = 1 in bfloat16: b of 1 is shown as 0.94.
        assert table[f"{dtype}/least"] < -0.9
        assert table[f"{dtype}/largest"] > 0.9


@pytest.mark.parametrize("dtype", bounds.DTYPES)
def test_gradients_are_as_hostile_as_said(dtype):
    kinds = bounds.hostile(0, dtype, 100, 50)
    info = jnp.finfo(dtype)
    for kind in kinds.values():
        assert kind.dtype == info.dtype and kind.shape == (100, 50)
        assert np.isfinite(2 * kind).all()
    tiny, spread = (np.abs(kinds[k].astype(float)) for k in ("tiny", "spread"))
    assert (tiny <= float(info.tiny)).all() and (tiny > 0).mean() > 0.9
    assert np.log10(spread.max() / spread[spread > 0].min()) > 10
    assert 0.8 < (kinds["sparse"] == 0).mean() < 1
    agreeing = kinds["alternating"][1:] * kinds["alternating"][:-1]
    assert (agreeing < 0).all()
    turned = kinds["turning"][1:] * kinds["turning"][:-1] < 0
    assert 0 < turned.mean() < 0.1


def test_b_is_that_of_the_reference():
    with jax.enable_x64(True):
        gradients = {"only": np.random.default_rng(0).normal(size=(20, 5))}
        for decay, updates in bounds.scaled(gradients, "leaf")[::2]:
            steps = [[g] for g in gradients["only"]]
            factors = resilience.resilience_factors(steps, decay=decay)
            expected = (np.concatenate(factors) - 1) / decay ** np.arange(20)[:, None]
            shown = bounds.measure(gradients["only"], updates["only"], decay)
            # Room of 8 ε beside a λ^t of at least 2e-6.
            assert shown["least"] == pytest.approx(expected.min(), abs=1e-8)
            assert shown["largest"] == pytest.approx(expected.max(), abs=1e-8)


def test_a_breach_is_seen():
    g = np.array([[1.0, -2.0, 0.0], [1.0, -2.0, 0.0]], np.float32)

    def seen(factors, added=0.0):
        updates = g.copy()
        updates[1] = g[1] * np.float32(factors) + np.float32(added)
        return bounds.measure(g, updates, 0.5)

    fine = seen([1.5, 0.5, 1.0])
    assert -1 < fine["least"] < -0.999 and 0.999 < fine["largest"] < 1
    assert (fine["tried"], fine["flips"], fine["strays"]) == (6, 0, 0)
    assert seen([1.50001, 1, 1])["largest"] > 1
    assert seen([0.49999, 1, 1])["least"] < -1
    assert seen([-0.1, -0.1, 1])["flips"] == 2
    assert seen([0.0, 1, 1])["flips"] == 0  # flushed to zero, and out of bounds
    assert seen([1, 1, 1], [0, 0, 1e-3])["strays"] == 1
    assert seen([1, 1, 1], [np.nan, np.inf, 0])["strays"] == 2
