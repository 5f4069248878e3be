"""The paths of single weights, and the figures drawn from them, on a few steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optax_sign
from experiments.claims.claim import Evidence
from experiments.claims.figures import png
from experiments.runs.config import Run
from experiments.studies.adarem import sphere, weight_paths
from experiments.training.learner import Learner
from tests.experiments.noise import noise


@pytest.fixture(scope="module")
def table():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight_paths.datasets, "load", lambda name: noise(128))
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


def test_q_is_that_of_all_weights_over_all_steps(table):
    run = Run(
        model="resnet_8_8",
        optimizer=weight_paths.METHODS["AdaRem"],
        batch_size=128,
        steps=3,
        track_oscillation=True,
    )
    dataset, key = noise(128), jax.random.key(0)
    learner = Learner(run, dataset)
    sets = [jnp.asarray(x) for x in (dataset.train_inputs, dataset.train_labels)]
    order = learner.order(key, jnp.int32(0))
    advance = jax.jit(learner.advance)
    state, _ = advance(learner.start(key), key, order, *sets, jnp.int32(3))
    q, unmoved = optax_sign.oscillation(state.optimizer)
    # The same steps, compiled into one program of one kind or another.
    assert table["AdaRem/q"] == pytest.approx(float(q), rel=1e-4)
    assert table["AdaRem/unmoved"] == pytest.approx(int(unmoved), abs=5)


def test_figures_can_be_drawn(table):
    assert png(weight_paths.figure(Evidence(values={}, table=table)))
    curves = {
        f"{variant}/{quantity}": [0.0, 1e-12]
        for variant in sphere.VARIANTS
        for quantity in sphere.QUANTITIES
    }
    assert png(sphere.figure(Evidence(values={}, table=curves)))
