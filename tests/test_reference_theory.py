"""The transcribed closed forms against printed digits, other forms and Monte Carlo."""

import math

import numpy as np
import pytest

from .reference import (
    moments,
    oscillation,
    quadratics,
    tutorials,
    variance_adaptation,
)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("t", [0, 1, 7, 400])
def test_moments_are_weighted_sums_and_rho_their_squares(beta, t):
    weights = (1 - beta) * beta ** np.arange(t, -1.0, -1.0) / (1 - beta ** (t + 1))
    # 1 - β^{t+1} is a difference, so β = 0.999 loses three digits of round-off.
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert moments.rho(beta, t) == pytest.approx((weights**2).sum(), rel=1e-12)
    values = np.random.default_rng(1).normal(size=t + 1)
    gradients = [[np.asarray(value)] for value in values]
    first = moments.first_moment(gradients, beta)[t][0]
    second = moments.second_moment(gradients, beta)[t][0]
    np.testing.assert_allclose(first, weights @ values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(second, weights @ values**2, rtol=0, atol=1e-12)


def test_rho_begins_at_one_and_ends_at_its_limit():
    assert moments.rho(0.9, 0) == 1.0
    # β^{t+1} < 1e-45 is lost beside 1.
    assert moments.rho(0.9, 1000) == pytest.approx(0.1 / 1.9, rel=1e-15)


def test_variances_of_the_average_and_of_the_gradient_by_monte_carlo():
    rng = np.random.default_rng(2)
    samples, beta, sigma = 40_000, 0.8, 3.0
    gradients = [[rng.normal(0.5, sigma, samples)] for _ in range(31)]
    first = moments.first_moment(gradients, beta)
    spread = variance_adaptation.moving_average_variance(gradients, beta)
    for t in (1, 3, 30):
        # The relative error of a sample variance is √(2/n) = 0.7 %, as is that of the
        # mean of s_t at t = 1, where it has one degree of freedom: five of them.
        measured = np.var(first[t][0])
        assert measured == pytest.approx(moments.rho(beta, t) * sigma**2, rel=0.035)
        assert np.mean(spread[t][0]) == pytest.approx(sigma**2, rel=0.035)


def test_mini_batch_variance_is_that_of_the_mean():
    examples = np.random.default_rng(3).normal(size=(8, 2, 3))
    variance = variance_adaptation.mini_batch_variance(examples)
    expected = np.var(examples, axis=0, ddof=1) / 8
    # The same sums in another order.
    np.testing.assert_allclose(variance, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        (
            tutorials.gradient_descent(learning_rate=0.001, steps=2),
            (-14.91, 19.6),
            (-14.82, 19.21),
        ),
        (
            tutorials.momentum(learning_rate=0.001, friction=0.9, steps=2),
            (-14.91, 19.6),
            (-14.74, 18.85),
        ),
        (
            tutorials.rmsprop(learning_rate=0.05, beta=0.9, steps=2),
            (-14.84, 19.84),
            (-14.73, 19.73),
        ),
    ],
    ids=["gradient descent", "momentum", "rmsprop"],
)
def test_tutorial_vectors_to_the_printed_digits(path, first, second):
    np.testing.assert_array_equal(np.round(path[1], 2), first)
    np.testing.assert_array_equal(np.round(path[2], 2), second)


def test_adam_as_in_the_tutorial():
    # Printed with four digits.
    assert round(tutorials.adam_prefactor(), 4) == 0.2353
    first, second = tutorials.adam(learning_rate=0.5, steps=2)[1:]
    # ε = 1e-8 beside g² ≥ 8100 is a relative 1e-12.
    np.testing.assert_allclose(first, (-14.5, 19.5), rtol=1e-12)
    g, h = np.array([-90.0, 400.0]), np.array([6 * -14.5, 20 * 19.5])
    m, s = 0.09 * g + 0.1 * h, 0.000999 * g**2 + 0.001 * h**2
    step = 0.5 * tutorials.adam_prefactor() * m / np.sqrt(s)
    # As above, enlarged by the 1e-12 in which `first` differs from (-14.5, 19.5).
    np.testing.assert_allclose(second, first - step, rtol=1e-11)
    # A large ε tells √(s + ε) from √s + ε: |g| = √3 and ε = 1 make √3/2.
    start = np.array([math.sqrt(3) / 6, 0.0])
    path = tutorials.adam(learning_rate=1.0, steps=1, eps=1.0, start=start)
    assert start[0] - path[1][0] == pytest.approx(math.sqrt(3) / 2, rel=1e-12)


def test_momentum_gain_is_the_limit_of_the_sum_form():
    total = sum(0.9**i for i in range(500))
    # 0.9^500 < 1e-22 is missing.
    assert tutorials.momentum_gain(0.9) == pytest.approx(total, rel=1e-13)


def test_ideal_step_is_the_lowest_point_along_the_gradient():
    g = tutorials.gradient_of_example(tutorials.START)
    best = tutorials.ideal_step(g, tutorials.HESSIAN)
    landing = tutorials.START - best * g
    # The next gradient is orthogonal to g, to round-off of the products.
    slope = tutorials.gradient_of_example(landing) @ g
    assert abs(slope) < 1e-12 * (g @ g)


def test_oscillation_by_hand():
    updates = [
        [np.array([1.0, 1.0, 0.0]), np.array(-1.0)],
        [np.array([-0.5, -1.0, 0.0]), np.array(-1.0)],
    ]
    per_leaf = oscillation.q(updates)
    np.testing.assert_array_equal(per_leaf[0], [3.0, math.nan, math.nan])
    assert per_leaf[1] == 1.0
    assert oscillation.mean_q(updates) == (2.0, 2)
    mean, left_out = oscillation.mean_q([[np.zeros(3)]])
    assert math.isnan(mean) and left_out == 3


def rotated(eigenvalues, angle):
    c, s = math.cos(angle), math.sin(angle)
    rotation = np.array([[c, -s], [s, c]])
    return rotation @ np.diag(eigenvalues) @ rotation.T


@pytest.mark.parametrize("angle", [0.0, 0.2, math.pi / 4])
def test_improvements_are_those_of_sampled_directions(angle):
    rng = np.random.default_rng(0)
    hessian, noise = rotated([0.5, 4.0], angle), 0.6
    gradient = np.array([0.4, -0.9])
    # QQ is Q times its transpose, so Q itself turns unit noise into the right one.
    samples = 400_000
    g = gradient + noise * rng.normal(size=(samples, 2)) @ hessian
    for directions, improvement in (
        (g, quadratics.improvement_sgd(gradient, hessian, noise)),
        (np.sign(g), quadratics.improvement_ssd(gradient, hessian, noise)),
    ):
        slope = np.mean(directions @ gradient)
        curvature = np.mean(np.sum(directions @ hessian * directions, axis=1))
        # Each mean is known to about 3/√n = 0.5 %, and the slope enters twice: 2.5 %.
        assert improvement == pytest.approx(slope**2 / curvature / 2, rel=0.025)
    bound = quadratics.improvement_ssd_bound(gradient, hessian, noise)
    exact = quadratics.improvement_ssd(gradient, hessian, noise)
    if angle == 0:
        # The products beside the diagonal of Q are 0: the bound is the value.
        assert bound == pytest.approx(exact, rel=1e-13)
    else:
        assert bound < exact


@pytest.mark.parametrize("correlation", [-1.0, -0.9999, -0.5, 0.3, 0.99, 1 - 1e-15])
@pytest.mark.parametrize("mean", [(0.0, 0.0), (0.7, -1.2), (2.0, 2.1), (-5.0, 0.01)])
def test_sign_products_by_the_derivative_in_the_correlation(correlation, mean):
    deviation = np.array([2.0, 0.5])
    covariance = np.outer(deviation, deviation)
    covariance[0, 1] = covariance[1, 0] = correlation * covariance[0, 1]
    products = quadratics.expected_sign_products(mean * deviation, covariance)
    # Price: d E[s_i s_j] / dc = 4 × the normal density at 0, here over c = sin φ.
    h, k = mean
    ends = np.linspace(0, math.asin(covariance[0, 1]), 20_001)
    middle = (ends[1:] + ends[:-1]) / 2
    exponent = -(h * h + k * k - 2 * h * k * np.sin(middle)) / (2 * np.cos(middle) ** 2)
    grown = 2 / math.pi * np.exp(exponent).sum() * (ends[1] - ends[0])
    expected = math.erf(h / math.sqrt(2)) * math.erf(k / math.sqrt(2)) + grown
    # The midpoint rule with 20,000 nodes: squared spacing times a derivative of about
    # 1/(h-k)² or more, 1e-7 at the closest pair.
    assert products[0, 1] == pytest.approx(expected, abs=2e-7)
    assert products[1, 0] == products[0, 1]
    np.testing.assert_array_equal(np.diag(products), 1.0)


def test_noise_free_quadratics_have_certain_signs():
    hessian, gradient = rotated([1.0, 3.0], 0.5), np.array([1.0, -2.0])
    s = np.sign(gradient)
    exact = 0.5 * (s @ gradient) ** 2 / (s @ hessian @ s)
    # Round-off of a few products.
    assert quadratics.improvement_ssd(gradient, hessian, 0.0) == pytest.approx(
        exact, rel=1e-14
    )
    exact = 0.5 * (gradient @ gradient) ** 2 / (gradient @ hessian @ gradient)
    assert quadratics.improvement_sgd(gradient, hessian, 0.0) == pytest.approx(
        exact, rel=1e-14
    )


def test_p_diag_at_its_extremes():
    assert quadratics.p_diag(np.diag([1.0, 5.0, 2.0])) == 1.0
    # Powers of two: exactly 1/d.
    assert quadratics.p_diag(np.ones((4, 4))) == 0.25


def test_factors_and_success_probability():
    eta = np.array([0.0, 0.1, 1.0, 10.0, np.inf])
    np.testing.assert_allclose(
        quadratics.magnitude_factor(eta), [1, 1 / 1.01, 0.5, 1 / 101, 0], rtol=1e-15
    )
    # P[|N(0,1)| < 1] to the digits of a table.
    assert quadratics.sign_factor(1.0) == pytest.approx(0.6826894921, abs=5e-11)
    np.testing.assert_array_equal(quadratics.sign_factor(eta)[[0, -1]], [1, 0])
    np.testing.assert_allclose(
        quadratics.root_factor(eta) ** 2, quadratics.magnitude_factor(eta), rtol=1e-15
    )
    rho = quadratics.success_probability(
        np.array([-2.0, 0.0, 3.0]), np.array([4, 0, 0])
    )
    np.testing.assert_allclose(
        2 * rho - 1, [quadratics.sign_factor(2.0), 0, 1], rtol=1e-15
    )
