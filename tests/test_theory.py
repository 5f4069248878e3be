"""The closed forms against brute force and against the transcriptions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optax_sign import theory

from .reference import moments, quadratics, tutorials


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


# A few roundings of float64; where 1 - β^t is a difference of numbers close to 1, the
# reference and brute force lose 1/(1-β) of those.
ROUND_OFF = 1e-14


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999])
def test_rho_is_the_sum_of_the_squared_weights(beta):
    steps = np.array([0, 1, 2, 10, 500])
    rho = np.asarray(theory.rho(beta, steps))
    for t, value in zip(steps, rho, strict=True):
        weights = beta ** np.arange(t, -1.0, -1.0)
        weights /= weights.sum()
        assert value == pytest.approx(np.sum(weights**2), rel=1e-12)
        assert value == pytest.approx(moments.rho(beta, t), rel=1e-12)
    assert rho[0] == 1.0


def test_rho_of_arrays_and_at_its_limit():
    betas = np.array([[0.5], [0.9]])
    rho = np.asarray(theory.rho(betas, np.array([0.0, 1e6])))
    # β^t is gone.
    np.testing.assert_allclose(
        rho, [[1, 1 / 3], [1, 0.1 / 1.9]], rtol=ROUND_OFF, atol=0
    )


def test_success_probability_by_counting():
    gradient, sigma = np.array([0.3, -1.0, 2.0, 0.0]), np.array([1.0, 0.5, 3.0, 1.0])
    probability = np.asarray(theory.success_probability(gradient, sigma))
    samples = gradient + sigma * np.random.default_rng(0).normal(size=(200_000, 4))
    counted = np.mean(samples * np.sign(gradient) > 0, axis=0)
    # A share has a deviation of at most ½/√n = 0.11 %: five of them.
    np.testing.assert_allclose(probability[:3], counted[:3], atol=0.0056)
    expected = quadratics.success_probability(gradient, sigma)
    np.testing.assert_allclose(probability, expected, rtol=ROUND_OFF)
    assert probability[3] == 0.5


def test_success_probability_without_noise():
    probability = theory.success_probability(np.array([-1e-300, 0.0, 3.0]), 0.0)
    np.testing.assert_array_equal(probability, [1.0, 0.5, 1.0])


ETA = np.array([0.0, 1e-8, 0.1, 1.0, 7.0, 1e8, np.inf])


@pytest.mark.parametrize(
    ("factor", "reference"),
    [
        (theory.magnitude_factor, quadratics.magnitude_factor),
        (theory.sign_factor, quadratics.root_factor),
        (theory.erf_factor, quadratics.sign_factor),
    ],
)
def test_factors_agree_with_the_transcription(factor, reference):
    values = np.asarray(factor(ETA))
    np.testing.assert_allclose(values, reference(ETA), rtol=ROUND_OFF)
    assert values[0] == 1.0 and values[-1] == 0.0


@pytest.mark.parametrize("eta", [0.2, 1.0, 3.0])
def test_factors_minimise_the_expected_error(eta):
    # E‖γ d̂ - d‖² over γ, for d = 1 and its estimate, and for their signs.
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights /= weights.sum()
    estimate = 1 + eta * nodes
    gammas = np.linspace(0, 1, 100_001)
    error = gammas**2 * (weights @ estimate**2) - 2 * gammas * (weights @ estimate)
    # The spacing of the γ that were tried.
    best = gammas[np.argmin(error)]
    assert float(theory.magnitude_factor(eta)) == pytest.approx(best, abs=1e-5)
    likely = float(theory.success_probability(1.0, eta))
    error = likely * (gammas - 1) ** 2 + (1 - likely) * (gammas + 1) ** 2
    best = gammas[np.argmin(error)]
    assert float(theory.erf_factor(eta)) == pytest.approx(best, abs=1e-5)


def rotated(eigenvalues, seed):
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(len(eigenvalues),) * 2))
    return rotation @ np.diag(eigenvalues) @ rotation.T


def best_gain(slope, curvature):
    """Largest α · slope - α²/2 · curvature, by trying."""
    alphas = np.linspace(0, 2 * slope / curvature, 100_001)
    return np.max(alphas * slope - alphas**2 / 2 * curvature)


EIGENVALUES, GRADIENT = np.array([0.3, 2.0, 5.0]), np.array([0.4, -0.9, 2.0])


@pytest.mark.parametrize("noise", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("hessian", [np.diag(EIGENVALUES), rotated(EIGENVALUES, 1)])
def test_expected_improvement_of_sgd(hessian, noise):
    # Hermite quadrature is exact for the quadratics that are averaged here.
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    weights /= weights.sum()
    slope = curvature = 0.0
    for picks in itertools.product(range(3), repeat=3):
        g = GRADIENT + noise * hessian @ nodes[list(picks)]
        share = np.prod(weights[list(picks)])
        slope += share * (g @ GRADIENT)
        curvature += share * (g @ hessian @ g)
    gain = float(theory.expected_improvement_sgd(GRADIENT, hessian, noise))
    # A parabola is flat at its top: 1e-5 of its width costs 1e-10.
    assert gain == pytest.approx(best_gain(slope, curvature), rel=1e-9)
    assert gain == pytest.approx(
        quadratics.improvement_sgd(GRADIENT, hessian, noise), rel=ROUND_OFF
    )


@pytest.mark.parametrize("noise", [0.0, 0.3, 2.0])
def test_expected_improvement_of_ssd_is_exact_for_diagonal_hessians(noise):
    hessian = np.diag(EIGENVALUES)
    likely = theory.success_probability(GRADIENT, noise * EIGENVALUES)
    right = np.sign(GRADIENT)
    slope = curvature = 0.0
    for hits in itertools.product([True, False], repeat=3):
        share = np.prod(np.where(hits, likely, 1 - likely))
        signs = np.where(hits, right, -right)
        slope += share * (signs @ GRADIENT)
        curvature += share * (signs @ hessian @ signs)
    gain = float(theory.expected_improvement_ssd(GRADIENT, hessian, noise))
    assert gain == pytest.approx(best_gain(slope, curvature), rel=1e-9)  # as above


@pytest.mark.parametrize("noise", [0.0, 0.3, 2.0])
def test_expected_improvement_of_ssd_is_a_bound_otherwise(noise):
    hessian = rotated(EIGENVALUES, 1)
    bound = float(theory.expected_improvement_ssd(GRADIENT, hessian, noise))
    assert bound == pytest.approx(
        quadratics.improvement_ssd_bound(GRADIENT, hessian, noise), rel=ROUND_OFF
    )
    exact = quadratics.improvement_ssd(GRADIENT, hessian, noise)
    assert 0.1 * exact < bound < exact


def test_p_diag():
    assert float(theory.p_diag(np.diag([1.0, -5.0, 2.0]))) == 1.0
    assert float(theory.p_diag(np.full((5, 5), -2.0))) == pytest.approx(0.2, rel=1e-15)
    hessian = np.array([[2.0, -1.0], [-1.0, 4.0]])
    assert float(theory.p_diag(hessian)) == 6 / 8
    # One direction dominates and points anywhere: x xᵀ has Σx²/(Σ|x|)² → (π/2)/d.
    x = np.random.default_rng(0).normal(size=(100, 400))
    outer = x[:, :, None] * x[:, None, :]
    # (Σ|x|)² has a relative deviation of 2·0.756/√400 = 7.6 %: five of it over √100.
    shares = np.asarray(jax.vmap(theory.p_diag)(outer))
    assert shares.mean() * 400 == pytest.approx(np.pi / 2, rel=0.038)


def test_momentum_gain_and_ideal_step():
    alpha = np.array([0.0, 0.5, 0.91])
    sums = np.sum(alpha ** np.arange(1000)[:, None], axis=0)
    np.testing.assert_allclose(theory.momentum_gain(alpha), sums, rtol=ROUND_OFF)
    hessian = rotated(EIGENVALUES, 2)
    step = float(theory.ideal_step(GRADIENT, hessian))
    assert step == pytest.approx(tutorials.ideal_step(GRADIENT, hessian), rel=ROUND_OFF)
    losses = [
        (GRADIENT - a * hessian @ GRADIENT)
        @ np.linalg.solve(hessian, GRADIENT - a * hessian @ GRADIENT)
        for a in (0.999 * step, step, 1.001 * step)
    ]
    assert losses[1] == min(losses)


def test_without_a_gradient_there_is_nothing_to_improve():
    zero, hessian = np.zeros(2), np.eye(2)
    for noise in (0.0, 1.0):
        assert theory.expected_improvement_sgd(zero, hessian, noise) == 0
        assert quadratics.improvement_sgd(zero, hessian, noise) == 0
        assert theory.expected_improvement_ssd(zero, hessian, noise) == 0


SCALARS = {
    "rho": (0.5, 3),
    "success_probability": (1, 2),
    "magnitude_factor": (1,),
    "sign_factor": (1,),
    "erf_factor": (1,),
    "momentum_gain": (0.5,),
}
TENSORS = {
    "p_diag": (np.eye(2),),
    "expected_improvement_sgd": (np.ones(2), np.eye(2), 1),
    "expected_improvement_ssd": (np.ones(2), np.eye(2), 1),
    "ideal_step": (np.ones(2), np.eye(2)),
}


@pytest.mark.parametrize("name", theory.__all__)
def test_dtypes_and_transformations(name):
    function = getattr(theory, name)
    arguments = {**SCALARS, **TENSORS}[name]
    plain = function(*arguments)
    assert plain.dtype == np.float64 and plain.shape == ()
    # XLA may round a fused expression differently.
    np.testing.assert_allclose(jax.jit(function)(*arguments), plain, rtol=ROUND_OFF)
    with jax.enable_x64(False):
        narrow = [jnp.asarray(a, jnp.float32) for a in arguments]
        result = function(*narrow)
        assert result.dtype == jnp.float32
        np.testing.assert_allclose(np.asarray(result), np.asarray(plain), rtol=1e-6)
