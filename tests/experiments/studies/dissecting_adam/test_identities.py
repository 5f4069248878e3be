"""What is calculated for Dissecting Adam, against what it must be to round-off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.studies.dissecting_adam import (
    best_factors,
    exact_svag,
    misleading_signs,
    sign_on_quadratics,
)
from experiments.studies.dissecting_adam.stochastic_quadratics import (
    BASES,
    SPECTRA,
    quadratic,
    sign_curvature,
)
from optax_sign import theory
from tests.reference import quadratics as reference


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0])
def test_the_curvature_of_signs_is_that_of_all_pairs(basis, noise):
    problem = quadratic(jax.random.key(1), SPECTRA["mild"], basis, 6)
    gradient = np.asarray(problem.hessian @ problem.start(jax.random.key(2)))
    hessian = np.asarray(problem.hessian)
    covariance = reference.noise_covariance(hessian, noise)
    products = reference.expected_sign_products(gradient, covariance)
    prepared = sign_curvature(problem.hessian)
    # No two gradients correlate by more than 0.9, where a pair is exact to 1e-9.
    scale = np.sqrt(np.diag(hessian @ hessian))
    correlation = hessian @ hessian / np.outer(scale, scale)
    assert np.sort(np.abs(correlation), axis=None)[-7] < 0.9
    assert prepared.curvature(gradient, jnp.asarray(noise)) == pytest.approx(
        np.sum(hessian * products), rel=1e-9
    )
    descent = reference.expected_descent(gradient, hessian, noise)
    assert prepared.descent(gradient, jnp.asarray(noise)) == pytest.approx(
        descent, rel=1e-12
    )


def test_sgd_does_not_see_the_rotation_that_ssd_sees():
    losses = {}
    for basis in BASES:
        problem = quadratic(jax.random.key(3), SPECTRA["ill-conditioned"], basis, 10)
        run = jax.jit(sign_on_quadratics.log_losses, static_argnums=3)
        losses[basis] = run(problem, jax.random.key(4), 0.1, 20)
    gap = np.abs(losses["aligned"] - losses["rotated"])
    # Round-off of 20 steps, each of which can magnify it by the condition number.
    assert gap[:, 0].max() < 1e-9
    # The start is the same for both.
    assert gap[0, 1] < 1e-12 and gap[1:, 1].min() > 1e-3


def test_a_wrong_factor_is_many_standard_errors_off():
    # Adam's factor is 0.4472 at η = 2 where the best one is 0.3829, and samples tell
    # them apart with an error of √(1 - γ²) / √n = 0.003.
    signs = np.sign(np.random.default_rng(0).normal(1.0, 2.0, 100_000))
    for factor, least, greatest in (
        (theory.erf_factor(2.0), 0, 4),
        (theory.sign_factor(2.0), 15, np.inf),
    ):
        fitted, error = best_factors.least_squares(signs, 1.0, float(factor))
        assert least <= abs(fitted - float(factor)) / error <= greatest


def test_sign_descent_stops_where_all_examples_are_explained():
    labels = np.array([1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
    x = misleading_signs.features(labels)
    path = misleading_signs.iterates(misleading_signs.methods(x)["ssd"], x, labels, 20)
    # Sixteen steps of 1/64 are 1/c; powers of two leave no round-off.
    along = np.sign(x.T @ labels)
    multiples = np.minimum(np.arange(1, 21), 16) / 64
    np.testing.assert_array_equal(path, multiples[:, None] * along)


@pytest.mark.slow
def test_svag_tends_to_the_limit_of_its_aligned_steps():
    # Near the minimum γ = θ²/ν², and with a = λ/L a step changes ν/θ as one of a Bessel
    # process of dimension 3 + 2/a and variance a²: on average θ²/ν² → 1/(a(2 + a)t).
    key = jax.random.key(5)
    problem = quadratic(key, exact_svag.even, "aligned", exact_svag.DIMENSION)
    kept, repetitions = np.array([0, 2000]), 200
    start = problem.start(key)
    losses = exact_svag.descend(problem, start, key, kept, repetitions)
    scaled = kept[-1] * np.asarray(losses[-1, :, 0])
    eigenvalues = np.asarray(problem.eigenvalues)
    a = eigenvalues / eigenvalues.max()
    limit = np.sum(eigenvalues / (a * (2 + a))) * exact_svag.NOISE**2 / 2
    # Four standard errors, and 1 % for the some ten steps that the start is worth.
    error = scaled.std(ddof=1) / np.sqrt(repetitions)
    assert scaled.mean() == pytest.approx(limit, abs=4 * error + 0.01 * limit)


@pytest.mark.slow
def test_the_bound_is_that_of_the_proofs_recursion():
    problem = quadratic(jax.random.key(6), exact_svag.even, "aligned", 4)
    least, largest = (float(f(problem.eigenvalues)) for f in (jnp.min, jnp.max))
    variance = float(np.sum(problem.deviation(exact_svag.NOISE) ** 2))
    # e ← e - ‖∇f‖⁴ / (2L (‖∇f‖² + Σσ²)), with ‖∇f‖² ≥ 2μe above, ≤ 2L²e/μ below.
    first = loss = 5.0
    c = 4 * least**2 / (2 * largest * (2 * largest**2 / least * first + variance))
    losses = [loss]
    for _ in range(1000):
        loss -= c * loss**2
        losses.append(loss)
    bound = exact_svag.bound(problem, first, np.arange(1001))
    assert bound[0] == first
    assert (np.array(losses[1:]) < bound[1:]).all()
    # 1/e grows by c/(1 - ce) a step instead of c, which is lost in the long run.
    assert losses[-1] == pytest.approx(bound[-1], rel=0.01)


def test_the_error_of_a_slope_is_the_spread_of_slopes():
    rng = np.random.default_rng(7)
    kept = exact_svag.kept_steps(10_000)
    draws = rng.exponential(size=(300, len(kept), 50)) / np.maximum(kept, 1)[:, None]
    slopes, errors = zip(*(exact_svag.slope(kept, d) for d in draws), strict=True)
    # A deviation of 300 values is known to 1/√600 = 4 %: four of them.
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.16)
