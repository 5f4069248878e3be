"""The tutorials: calculations against closed forms and NumPy, claims and figures."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.claims.figures import png
from experiments.runs import tables
from experiments.studies import tutorials
from experiments.studies.tutorials import (
    adaptive,
    adaptive_maps,
    drawing,
    hill,
    minima,
    momentum,
    newton,
    ravine,
    update_maps,
    worked_numbers,
)
from tests.reference import tutorials as reference


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def at(table, name, g1, g2):
    """A map's value at two gradients of its grid."""
    axis = list(table["gradients"])
    return table[name][axis.index(g2)][axis.index(g1)]


def test_worked_numbers_are_those_of_the_transcription():
    table = worked_numbers.table()
    paths = {
        "gradient descent": reference.gradient_descent(learning_rate=0.001, steps=2),
        "momentum": reference.momentum(learning_rate=0.001, friction=0.9, steps=2),
        "adaptive": reference.rmsprop(learning_rate=0.05, beta=0.9, steps=2),
    }
    for name, path in paths.items():
        # A handful of float64 roundings.
        np.testing.assert_allclose(table[f"{name}/path"], path, rtol=1e-14)
    np.testing.assert_allclose(table["momentum/trace"][1], [-170.46, 752], rtol=1e-14)
    np.testing.assert_allclose(table["adaptive/nu"][0], [810, 16000], rtol=1e-14)
    # 0.9^400 < 1e-18 is still to come, in sums of 400 terms.
    assert table["gain"] == pytest.approx(reference.momentum_gain(0.9), rel=1e-13)
    # 1 - β₂² = 0.002 is a difference of ones: 1e-16/0.002, twice.
    assert table["prefactor"] == pytest.approx(reference.adam_prefactor(), rel=2e-13)


def test_momentum_walks_at_three_frictions(monkeypatch):
    monkeypatch.setattr(momentum, "LONG", 40)
    table = momentum.speed()
    assert list(table) == list(momentum.METHODS)
    for friction in (0.0, 0.6, 0.9):
        path = reference.momentum(learning_rate=0.001, friction=friction, steps=40)
        # Forty steps of a few roundings, on errors from 4675 down.
        expected = np.array(path) ** 2 @ [3, 10]
        np.testing.assert_allclose(table[f"α = {friction:g}"], expected, rtol=1e-10)


def test_the_map_of_momentum_at_points_worked_out_by_hand():
    table = update_maps.momentum()
    # All to a few float64 roundings, which is less than pytest's own 1e-6.
    # The tutorial's own: 0.4 · 2 + 1 = 1.8 after 2.
    assert at(table, "α = 0.4", 2.0, 1.0) == pytest.approx(-0.2)
    assert at(table, "α = 0.4/grown", 2.0, 1.0) == pytest.approx(-0.2)
    # -0.9 - 1 after -1: further the same way.
    assert at(table, "α = 0.9", -1.0, -1.0) == pytest.approx(0.9)
    # 0.9 - 5 = -4.1 after 1: turned round, and grown.
    assert at(table, "α = 0.9", 1.0, -5.0) == pytest.approx(-5.1)
    assert at(table, "α = 0.9/grown", 1.0, -5.0) == pytest.approx(3.1)
    # Without friction a second gradient of 1 adds 1 to any first.
    assert at(table, "α = 1", 3.0, 1.0) == pytest.approx(1.0)


def test_the_maps_of_adaptive_rates_at_points_worked_out_by_hand():
    table = adaptive_maps.adaptive()
    # ε = 1e-8 beside squares of about 1.
    assert at(table, "β = 0", 3.0, -2.0) == pytest.approx(-1.0, abs=1e-8)
    # And ε beside 0.46: 2e-8 of it, half of that in the root.
    step = 1 / np.sqrt(0.1 * (0.9 * 4 + 1))
    assert at(table, "β = 0.9", 2.0, 1.0) == pytest.approx(step - 1, rel=1e-7)
    assert at(table, "β = 0.9", 2.0, 0.0) == 0.0


def test_the_maps_of_adam_differ_by_the_prefactor():
    table = adaptive_maps.adam()
    plain = 0.1 * (0.9 * 2 - 1) / np.sqrt(0.001 * (0.999 * 4 + 1))
    # ε = 1e-8 beside a sum of squares of 0.005 takes a millionth of a step of 1.13.
    assert at(table, "not corrected", 2.0, -1.0) == pytest.approx(plain - 1, abs=2e-6)
    corrected = reference.adam_prefactor() * plain  # times 0.2353: 5e-7
    assert at(table, "corrected", 2.0, -1.0) == pytest.approx(corrected - 1, abs=1e-6)


def test_what_leads_at_low_gradients_and_on_borders_can_be_behind():
    axis = [-2.0, -1.0, 0.0, 1.0, 2.0]
    size = np.abs(axis)[:, None] + np.abs(axis)
    for values, sign in ((-size, 1), (size, -1)):
        table = {"gradients": axis, "map": values.tolist()}
        assert np.sign(adaptive_maps._low_lead(table, "map")) == sign
        assert np.sign(adaptive_maps._border_lead(table, "map")) == sign


def test_the_hill_has_a_hole_before_its_valley():
    summit, hole, ridge, valley = hill.extrema()
    # Each is moved by the tails of the other Gaussians, which are e^-14 of their tops.
    assert summit == pytest.approx(0.0, abs=0.01)
    assert 4 < hole < ridge < 6 and valley == pytest.approx(8.0, abs=0.01)
    heights = [
        float(hill.HILL.loss(jnp.array([x, 0.0]))) for x in (hole, ridge, valley)
    ]
    assert heights[2] < heights[0] < heights[1]
    assert len(hill.extrema(depth=0.0)) == 2


def test_from_the_threshold_on_moments_roll_over_the_hole():
    found = hill.threshold(hill.DEPTH)
    ridge = hill.extrema()[2]
    below, above = (found - 1e-5, found + 1e-5)  # bisected to 1e-6
    for beta, over in ((0.0, False), (below, False), (above, True), (0.95, True)):
        # As the tutorial writes it, without an optimizer of a library.
        w, m = np.array(hill.HILL.start), np.zeros(2)
        slope = jax.jit(jax.grad(hill.HILL.loss))
        for t in range(1, 151):
            m = beta * m + (1 - beta) * np.asarray(slope(w))
            w = w - 20 * m / (1 - beta**t)
        assert (w[0] > ridge) == over, beta
    assert hill.threshold(0.04) > found > hill.threshold(0.015)


def test_turns_are_counted_and_gradients_summed():
    assert ravine.turns(np.array([1.0, -1.0, 1.0, -1.0])) == 1.0
    assert ravine.turns(np.array([3.0, 2.0, 1.0, 2.0, 1.0])) == pytest.approx(2 / 3)
    gradients = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, 1.0]])
    left = ravine.uncancelled(gradients, 0.5)
    # Exact numbers but for one division.
    np.testing.assert_allclose(left, [(0.25 - 0.5 + 1) / 1.75, 1.0], rtol=1e-15)


def test_gradient_descent_bounces_in_the_ravine_as_it_must():
    table = ravine.table()
    across = np.array(table["gradient descent/path"])[:, 0]
    # η λ = 1.96: each bounce is 0.96 of the last, to a few roundings in each of 150.
    np.testing.assert_allclose(across, (-0.96) ** np.arange(151.0), rtol=1e-10)
    assert table["gradient descent/turns"] == 1.0
    length = 1.96 * (1 - 0.96**150) / 0.04
    assert table["gradient descent/across"] == pytest.approx(length, rel=1e-10)
    # Σ 0.9^i (-0.96)^-i over Σ 0.9^i 0.96^-i, of which 0.94^150 = 6e-5 is missing.
    assert table["summed/across"] == pytest.approx(0.0625 / 1.9375, rel=1e-3)
    # No term along changes sign, so nothing cancels but roundings.
    assert table["summed/along"] == pytest.approx(1.0, rel=1e-12)


def test_the_ideal_step_and_the_size_of_a_hessian():
    table = newton.table()
    assert table["gradients"] == [-1.0, -1.0, -1.0]
    assert table["step, downwards"] == -1.0
    gradient = np.array([100.0, -10.0])
    ideal = reference.ideal_step(gradient, np.diag([100.0, 1.0]))
    assert table["step"] == pytest.approx(ideal, rel=1e-14)  # a dozen products
    # The first component is a difference that leaves a hundredth.
    np.testing.assert_allclose(
        table["path"][1], [1, -10] - ideal * gradient, rtol=1e-13
    )
    lowest = table["line"][int(np.argmin(table["line/error"]))]
    assert abs(lowest - ideal) <= table["line"][1]  # a step of the line
    assert newton.hessian_size(7) == 49


def test_barriers_rise_between_basins_only():
    rng = np.random.default_rng(0)
    one, other = minima._start(rng), minima._start(rng)
    assert float(minima.barrier(one, one)) == 0.0
    share = np.linspace(0, 1, minima.BETWEEN)[:, None]
    losses = [float(minima.loss(w)) for w in (1 - share) * one + share * other]
    expected = max(losses) - max(losses[0], losses[-1])  # losses of about 1
    assert float(minima.barrier(one, other)) == pytest.approx(expected, abs=1e-12)
    # All weights zero: half the mean square of the targets.
    zero = float(minima.loss(np.zeros_like(one)))
    assert zero == pytest.approx(np.mean(minima.TARGETS**2) / 2, rel=1e-14)


@pytest.mark.parametrize(
    ("direction", "degrees"),
    [((1, 1), 0), ((0, -2), 0), ((-3, 0), 0), ((2, 1), 18.4349), ((-1, 2), 18.4349)],
)
def test_degrees_from_the_eight_directions(direction, degrees):
    steps = np.array([direction], float)
    # The degrees above have four digits.
    assert adaptive.from_cardinal(steps)[0] == pytest.approx(degrees, abs=1e-4)


TRAINED = (minima.MINIMA, minima.FLATNESS)
EXACT = [claim for claim in tutorials.STUDY.claims if claim not in TRAINED]


def tried(claim, table):
    """What the report makes of a table, once it is stored."""
    stored = json.loads(json.dumps(tables.rounded(table), allow_nan=False))
    return claim.trial.evidence(stored)


def check(claim, evidence):
    for condition in claim.rule:
        assert np.isfinite(condition.measure(evidence)), condition.text
    assert evidence.values.keys() >= claim.published.keys()
    if claim.figure is not None:
        assert png(claim.figure.draw(evidence))


@pytest.mark.parametrize("claim", EXACT, ids=lambda claim: claim.id)
def test_a_claim_is_tried_and_drawn_from_its_stored_table(claim):
    check(claim, tried(claim, claim.trial.table()))


def test_final_points_are_tried_and_drawn_after_a_few_steps():
    for claim, table in zip(TRAINED, (minima.barriers, minima.curvatures), strict=True):
        check(claim, tried(claim, table(steps=3, seeds=2)))


def test_the_corners_of_the_plane_are_the_final_points():
    rng = np.random.default_rng(0)
    finals = jnp.stack([minima._start(rng) for _ in minima.METHODS])
    plane = minima._plane(finals, np.array([0.0, 1.0]))
    for final, (column, row) in zip(finals, minima.CORNERS.values(), strict=True):
        # The others have a share of exactly 0.
        assert float(plane[row, column]) == pytest.approx(
            float(minima.loss(final)), rel=1e-12
        )


def test_a_trajectory_goes_from_dark_to_bright():
    axes = Figure().add_subplot()
    drawing.trajectory(axes, np.cumsum(np.ones((6, 2)), axis=0))
    lines = axes.collections[0]
    lines.update_scalarmappable()
    lightness = lines.get_colors()[:, :3].sum(axis=1)
    assert len(lightness) == 5 and (np.diff(lightness) > 0).all()
