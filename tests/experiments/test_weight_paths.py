"""The paths of single weights, and the figures drawn from them, on a few steps."""

import numpy as np
import pytest

from experiments.exact import figures_walks, weight_paths
from experiments.plotting import png
from experiments.studies import adarem_walks
from tests.experiments.test_small_resnet import noise


@pytest.fixture(scope="module")
def table():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight_paths.data, "load", lambda name: noise(128))
        patch.setattr(
            weight_paths,
            "METHODS",
            {name: weight_paths.METHODS[name] for name in ("SGD", "AdaRem")},
        )
        return weight_paths.table(steps=3)


def test_paths_start_together_and_lead_apart(table):
    sgd, adarem = (np.array(table[f"{name}/paths"]) for name in ("SGD", "AdaRem"))
    assert sgd.shape == adarem.shape == (weight_paths.FOLLOWED, 4)
    # Without a past there is no resilience: the first steps are the same.
    np.testing.assert_array_equal(sgd[:, :2], adarem[:, :2])
    assert (sgd[:, 2:] != adarem[:, 2:]).all()
    assert (np.diff(sgd) != 0).all()


def test_q_is_that_of_all_weights(table):
    for name in ("SGD", "AdaRem"):
        assert table[f"{name}/q"] > 1
        assert 0 <= table[f"{name}/unmoved"] < 19_810


def test_the_methods_are_those_of_the_claim():
    assert tuple(weight_paths.METHODS) == adarem_walks.METHODS


def test_figures_can_be_drawn(table):
    assert png(figures_walks.weight_paths(table))
    curves = {
        f"{variant}/{quantity}": [0.0, 1e-12]
        for variant in ("one", "other")
        for quantity in ("direction", "loss", "prediction")
    }
    assert png(figures_walks.sphere_equivalence(curves))
