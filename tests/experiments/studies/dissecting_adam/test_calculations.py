"""What is calculated for Dissecting Adam, against definitions and simulations."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from experiments.claims.claim import Evidence
from experiments.studies.dissecting_adam import (
    best_factors,
    diagonal_dominance,
    exact_svag,
    misleading_signs,
    sign_on_quadratics,
)
from experiments.studies.dissecting_adam.stochastic_quadratics import (
    SPECTRA,
    quadratic,
    sign_curvature,
)
from optax_sign import theory

SMALL = {
    "quadratics": lambda seed: sign_on_quadratics.table(
        seed, dimension=10, steps=4, repetitions=3
    ),
    "factors": lambda seed: best_factors.closed_forms(),
    "optimal_factors": lambda seed: best_factors.fits(seed, samples=1000),
    "sign_of_data": lambda seed: misleading_signs.table(seed, steps=10),
    "idealized_svag": lambda seed: exact_svag.table(seed, steps=200, repetitions=5),
    "diagonal_dominance": lambda seed: diagonal_dominance.table(
        seed, dimensions=(3, 5), repetitions=4
    ),
}


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def tables():
    return {name: table(0) for name, table in SMALL.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_table_is_plain_numbers_and_follows_from_its_seed(tables, name):
    text = json.dumps(tables[name], allow_nan=False)
    assert json.loads(text) == tables[name]
    assert SMALL[name](0) == tables[name]


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("quadratics", sign_on_quadratics.figure),
        ("factors", best_factors.figure),
        ("idealized_svag", exact_svag.figure),
    ],
)
def test_a_figure_has_labelled_axes_and_a_legend(tables, name, draw):
    drawing = draw(Evidence(values={}, table=tables[name]))
    drawing.draw_without_rendering()
    assert all(axes.lines for axes in drawing.axes)
    assert any(axes.get_xlabel() for axes in drawing.axes)
    assert any(axes.get_ylabel() for axes in drawing.axes)
    assert any(axes.get_legend() for axes in drawing.axes)


def problem(basis, spectrum="ill-conditioned", dimension=6):
    return quadratic(jax.random.key(1), SPECTRA[spectrum], basis, dimension)


def test_rotation_keeps_the_spectrum_and_the_noise_follows_the_curvature():
    aligned, rotated = problem("aligned"), problem("rotated")
    hessian = np.asarray(rotated.hessian)
    # Some tens of float64 operations on eigenvalues up to 60.
    np.testing.assert_allclose(
        np.linalg.eigvalsh(hessian), np.sort(aligned.eigenvalues), atol=1e-12
    )
    np.testing.assert_array_equal(aligned.hessian, np.diag(aligned.eigenvalues))
    keys = jax.random.split(jax.random.key(2), 100_000)
    noise = jax.vmap(lambda key: rotated.disturbance(key, 0.5))(keys)
    covariance = 0.25 * hessian @ hessian
    # The entries of a covariance of n samples have relative errors of about 1/sqrt(n),
    # here 0.3 % of the largest: five of them.
    error = 0.016 * np.abs(covariance).max()
    np.testing.assert_allclose(np.cov(noise.T), covariance, atol=error)
    np.testing.assert_allclose(
        rotated.deviation(0.5), np.sqrt(np.diag(covariance)), rtol=1e-12
    )


@pytest.mark.parametrize("basis", ["aligned", "rotated"])
def test_descent_and_curvature_of_signs_are_those_of_samples(basis):
    chosen, noise = problem(basis, "mild"), 0.7
    gradient = chosen.hessian @ chosen.start(jax.random.key(3))
    keys = jax.random.split(jax.random.key(4), 200_000)
    draw = jax.vmap(lambda key: chosen.disturbance(key, noise))(keys)
    signs = np.sign(gradient + draw)
    prepared = sign_curvature(chosen.hessian)
    for expected, samples in (
        (prepared.descent(gradient, noise), signs @ gradient),
        (
            prepared.curvature(gradient, noise),
            np.einsum("ki,ij,kj->k", signs, chosen.hessian, signs),
        ),
    ):
        error = samples.std() / np.sqrt(len(samples))
        # Four standard errors, and round-off where every sample is the same.
        assert abs(samples.mean() - expected) < 4 * error + 1e-12


def test_the_best_steps_gain_what_theory_says():
    chosen, noise = problem("aligned"), 0.3
    gradient = chosen.hessian @ chosen.start(jax.random.key(5))
    prepared = sign_curvature(chosen.hessian)
    step = sign_on_quadratics.ssd_step_size(gradient, prepared, noise)
    gain = step * prepared.descent(gradient, noise) / 2
    best = theory.expected_improvement_ssd(gradient, chosen.hessian, noise)
    assert gain == pytest.approx(float(best), rel=1e-12)  # tens of operations
    step = sign_on_quadratics.sgd_step_size(gradient, prepared, noise)
    squares = chosen.eigenvalues**3
    curvature = gradient @ chosen.hessian @ gradient + noise**2 * squares.sum()
    assert step == pytest.approx(float(gradient @ gradient / curvature), rel=1e-12)


def test_signs_gain_at_least_what_the_paper_bounds_them_by():
    chosen, noise = problem("rotated"), 0.3
    gradient = chosen.hessian @ chosen.start(jax.random.key(5))
    prepared = sign_curvature(chosen.hessian)
    step = sign_on_quadratics.ssd_step_size(gradient, prepared, noise)
    gain = step * prepared.descent(gradient, noise) / 2
    assert gain > theory.expected_improvement_ssd(gradient, chosen.hessian, noise)


def test_the_gap_of_the_factors_is_the_largest_of_a_fine_grid(tables):
    eta = np.linspace(1e-3, 20, 200_001)
    gaps = np.abs(special.erf(1 / (np.sqrt(2) * eta)) - 1 / np.sqrt(1 + eta**2))
    # The grid's step of 1e-4 misses a parabola's top by some 1e-9.
    assert tables["factors"]["gap"] == pytest.approx(gaps.max(), abs=1e-8)
    assert tables["factors"]["gap_at"] == pytest.approx(eta[gaps.argmax()], abs=2e-4)


def test_a_fitted_factor_is_exact_without_noise_and_close_with_it():
    fitted, _ = best_factors.least_squares(np.full(10, 2.0), 1.0, 0.5)
    assert fitted == 0.5
    x = np.random.default_rng(0).normal(1.0, 2.0, 100_000)
    fitted, error = best_factors.least_squares(x, 1.0, 0.2)
    assert abs(fitted - 0.2) < 4 * error  # standard errors


def test_the_data_of_lemma_2_and_where_methods_go_on_them():
    labels = np.array([1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
    x = misleading_signs.features(labels)
    assert x.shape == (7, 38)
    np.testing.assert_array_equal(x @ np.sign(x.T @ labels), 4 * labels)
    table = misleading_signs.table(steps=40)
    for name in ("ssd", "m_ssd"):
        assert table[f"{name}/short"] < 1e-12  # sums of 163 equal numbers
    for name in ("sgd", "m_sgd", "m_svag"):
        assert table[f"{name}/short"] > 0.1
    # The first step of M-SVAG is one of M-SGD.
    assert table["m_svag/cosine"][0] == pytest.approx(table["m_sgd/cosine"][0])
    assert table["minimum norm/accuracy"] == 1.0


def test_slopes_on_log_scales():
    kept = exact_svag.kept_steps(10_000)
    assert (kept[0], kept[-1]) == (0, 10_000)
    losses = 1 / np.maximum(kept, 1)[:, None] * np.array([0.9, 1.0, 1.1])
    slope, error = exact_svag.slope(kept, losses)
    assert slope == pytest.approx(-1)
    assert error == pytest.approx(0, abs=1e-12)


def test_exact_factors_converge_below_the_bound_where_sgd_stalls(tables):
    table = tables["idealized_svag"]
    for basis in ("aligned", "rotated"):
        mean, bound = (
            np.array(table[f"{basis}/{name}"]) for name in ("svag/mean", "bound")
        )
        assert (mean[1:] < bound[1:]).all()
        assert mean[-1] < mean[0] / 100
        sgd, errors = (np.array(table[f"{basis}/sgd/{w}"]) for w in ("mean", "error"))
        late = slice(-5, None)
        gap = abs(sgd[late].mean() - table[f"{basis}/floor"])
        assert gap < 4 * errors[late].mean()  # standard errors


def test_dominance_is_never_below_its_bound_which_rank_one_attains(tables):
    table = tables["diagonal_dominance"]
    for name in ("mild", "ill-conditioned", "rank one"):
        assert min(table[f"{name}/least"]) > 1 - 1e-12  # round-off
    np.testing.assert_allclose(
        table["rank one/mean"], table["rank one/bound"], rtol=1e-12
    )
    assert jnp.isclose(theory.p_diag(jnp.ones((4, 4))), 1 / 4)
