"""The presets are what they are called, and a user's own formula is looked over."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.paths import surfaces
from experiments.paths.formula import FormulaError
from experiments.paths.surfaces import PRESETS
from tests.experiments.messages import assert_one_sentence
from tests.experiments.paths.losses import LOSSES


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def in_view(point, surface):
    return all(
        low <= x <= high for x, (low, high) in zip(point, surface.bounds, strict=True)
    )


@pytest.mark.parametrize("key", PRESETS)
def test_formula_is_the_loss_of_that_name(key):
    points = np.random.default_rng(0).uniform(-3, 3, size=(20, 2))
    expected = [LOSSES[key](jnp.array(w)) for w in points]
    actual = [PRESETS[key].loss(jnp.array(w)) for w in points]
    # A dozen float64 roundings, of terms up to 1e4 that may cancel.
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("key", PRESETS)
def test_minima_are_where_nothing_around_is_lower(key):
    surface = PRESETS[key]
    grid = surfaces.grid(surface.formula, surface.bounds, 60)
    lowest = min(float(surface.loss(jnp.array(w))) for w in surface.minima)
    assert np.isfinite(grid.losses).all() and grid.notice is None
    # The roundings of a sum of squares that is 0.
    assert lowest <= grid.losses.min() + 1e-20
    for point in surface.minima:
        assert in_view(point, surface)
        w = jnp.array(point)
        # The last digit of the minimum times a curvature of up to 802.
        assert float(jnp.abs(jax.grad(surface.loss)(w)).max()) < 1e-9
        assert (np.linalg.eigvalsh(jax.hessian(surface.loss)(w)) > 0).all()
        assert float(surface.loss(w)) == pytest.approx(lowest, abs=1e-20)
    assert in_view(surface.start, surface)


@pytest.mark.parametrize("key", [k for k in PRESETS if k.endswith("_rotated")])
def test_rotation_turns_the_surface_and_its_start(key):
    aligned, rotated = PRESETS[key.removesuffix("_rotated")], PRESETS[key]
    turn = jnp.array([[0.8, 0.6], [-0.6, 0.8]])
    for w in (jnp.array(rotated.start), jnp.array([0.3, -1.7])):
        # Numbers of two digits, turned: a few roundings.
        np.testing.assert_allclose(rotated.loss(w), aligned.loss(turn @ w), rtol=1e-13)
    np.testing.assert_allclose(turn @ jnp.array(rotated.start), aligned.start, 1e-14)


def test_grid_has_a_row_for_each_w2():
    surface = PRESETS["quadratic"]
    grid = surfaces.grid(surface.formula, surface.bounds, 11)
    assert grid.losses.shape == (11, 11)
    # 3·16² + 10·25²: whole numbers.
    assert grid.losses[-1, 1] == 3 * 16**2 + 10 * 25**2


def test_own_formula_has_its_rate_and_start():
    surface = surfaces.from_formula("(w1 - 1)**2 + (w2 + 2)**2")
    assert not surface.minima_known
    assert in_view(surface.start, surface)
    assert surface.rate == 0.5  # one over the curvature


@pytest.mark.parametrize(
    ("text", "bounds", "lowest"),
    [
        ("(w1 - 1)**2 + (w2 + 2)**2", surfaces.VIEW, (1, -2)),
        ("(1 - w1)**2 + 100*(w2 - w1**2)**2", ((-2, 2), (-1, 3)), (1, 1)),  # a valley
        ("abs(w1 - 0.3) + log(w2)**2", ((-1, 2), (-1, 2)), (0.3, 1)),
        ("w1 + w2**2", ((-2, 2), (-1, 3)), (-2, 0)),  # at the edge of the view
    ],
)
def test_own_formula_finds_its_lowest_point(text, bounds, lowest):
    surface = surfaces.from_formula(text, bounds)
    # Losses of two points in a bowl differ in a float64 only where the points do by the
    # root of its 1e-16.
    np.testing.assert_allclose(surface.minima, [lowest], atol=1e-7)


def test_what_is_not_finite_is_left_blank_and_told():
    surface = surfaces.from_formula("log(w1) + w2**2", ((-1.0, 3.0), (-1.0, 1.0)))
    grid = surfaces.grid(surface.formula, surface.bounds)
    np.testing.assert_array_equal(np.isnan(grid.losses[0]), grid.w1 <= 0)
    assert grid.notice is not None and "25 % of the view" in grid.notice
    assert_one_sentence(grid.notice)


def test_a_start_outside_the_finite_part_has_a_rate():
    surface = surfaces.from_formula("sqrt(w1) + w2**2", start=(-1.0, 0.0))
    assert 0 < surface.rate <= 10


@pytest.mark.parametrize(
    ("text", "bounds", "says"),
    [
        ("log(-1 - w1**2)", surfaces.VIEW, "no finite number anywhere in the view"),
        ("exp(exp(9 + w1**2))", surfaces.VIEW, "no finite number anywhere"),
        ("w1", ((1.0, 1.0), (0.0, 1.0)), "view of w1 must be at least 0.001 wide"),
        ("w1", ((0.0, 1.0), (2.0, -2.0)), "view of w2"),
        ("w1", ((0.0, float("nan")), (0.0, 1.0)), "view of w1"),
        ("w1", ((0.0, 1.0), (0.0, float("inf"))), "view of w2"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(text, bounds, says):
    with pytest.raises(FormulaError) as error:
        surfaces.from_formula(text, bounds)
    assert says in str(error.value)
    assert_one_sentence(str(error.value))


def test_a_flat_surface_is_one_too():
    surface = surfaces.from_formula("7")
    assert surface.rate == 0.1  # nothing bends: a hundredth of the view
    assert (surfaces.grid(surface.formula, surface.bounds).losses == 7).all()
