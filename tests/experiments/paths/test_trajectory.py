"""Paths are those of the optimizers, step by step, and sliders compile nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign
from experiments.paths import inner_state, surfaces
from experiments.paths.formula import Formula
from experiments.paths.optimizers import METHODS
from experiments.paths.surfaces import PRESETS
from experiments.paths.trajectory import MAX_STEPS, trajectory, walk
from tests.experiments.messages import assert_one_sentence
from tests.experiments.paths.losses import LOSSES
from tests.reference import tutorials

STEPS = 40
# Every method and every surface; the starts are off the lines where a gradient is 0,
# on which a sign would turn the last bit into a full step. The first two have had an
# optimizer when the others come again: AdaRem-S leaps about on them, and magnifies it.
SURFACES = [*PRESETS, *list(PRESETS)[2:]]
PAIRS = list(zip(METHODS, SURFACES[: len(METHODS)], strict=True))
CHOICES = {
    "momentum": {"nesterov": True},
    "adam": {"nesterov": True},
    "adam_star": {"momentum": False, "factor": "erf"},
}
BOWL = PRESETS["quadratic"]


def walked(key, surface, values, start, steps=STEPS):
    """The points, by the copied expression and a loop in Python."""
    expression = METHODS[key].expression(values)
    tx = eval(expression, {"optax": optax, "optax_sign": optax_sign})
    slope, update = jax.jit(jax.grad(LOSSES[surface])), jax.jit(tx.update)
    with jax.enable_x64(True):
        w = jnp.array(start)
        state, points = tx.init(w), [w]
        for _ in range(steps):
            updates, state = update(slope(w), state, w)
            w = optax.apply_updates(w, updates)
            points.append(w)
        losses = [float(LOSSES[surface](w)) for w in points]
    return np.array(points), losses


@pytest.mark.parametrize(("key", "surface"), PAIRS)
def test_path_is_that_of_the_copied_expression(key, surface):
    preset = PRESETS[surface]
    values = {**METHODS[key].starting_values(preset), **CHOICES.get(key, {})}
    start = (preset.start[0] + 0.0123, preset.start[1] - 0.0321)
    path = trajectory(preset, METHODS[key], values, start, STEPS)
    points, losses = walked(key, surface, values, start)
    assert path.diverged_at is None
    assert path.points.dtype == np.float64
    assert (np.diff(path.points, axis=0) != 0).any()
    # float64 roundings of 1e-16, which forty steps down a curved valley may magnify.
    scale = np.abs(points).max()
    np.testing.assert_allclose(path.points, points, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(path.losses, losses, rtol=1e-6, atol=1e-9)
    gaps = np.linalg.norm(points[-1] - np.array(preset.minima), axis=1)
    assert path.distance == pytest.approx(gaps.min(), abs=1e-8 * scale)
    assert path.final_loss == path.losses[-1]
    moves = np.abs(np.diff(points, axis=0)).sum(axis=0)
    ways = np.abs(points[-1] - points[0])
    assert path.oscillation == pytest.approx((moves / ways).mean(), rel=1e-6)
    for name, _ in METHODS[key].components:
        assert path.components[name].shape == (STEPS, 2)
        assert np.isfinite(path.components[name]).all()


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        (
            "sgd",
            {"learning_rate": 0.001},
            tutorials.gradient_descent(learning_rate=0.001, steps=2),
        ),
        (
            "momentum",
            {"learning_rate": 0.001, "momentum": 0.9},
            tutorials.momentum(learning_rate=0.001, friction=0.9, steps=2),
        ),
        (
            "rmsprop",
            {"learning_rate": 0.05, "decay": 0.9, "eps": 1e-8},
            tutorials.rmsprop(learning_rate=0.05, beta=0.9, steps=2),
        ),
    ],
)
def test_numbers_of_the_tutorials(key, values, expected):
    path = trajectory(BOWL, METHODS[key], values, (-15.0, 20.0), 2)
    # A handful of float64 roundings.
    np.testing.assert_allclose(path.points, expected, rtol=1e-14)


def test_adam_is_that_of_the_tutorial():
    path = trajectory(
        BOWL, METHODS["adam"], {"learning_rate": 0.5}, (-15.0, 20.0), STEPS
    )
    # There, eps stands inside the root: 1e-8 beside gradients from 0.1 up.
    expected = tutorials.adam(learning_rate=0.5, steps=STEPS)
    np.testing.assert_allclose(path.points, expected, rtol=1e-5)


def test_a_walk_is_that_of_the_transcription_with_all_that_is_seen():
    method = optax.adam(0.5, eps=0.0, eps_root=1e-8)
    read = {name: inner_state.kept(name) for name in ("mu", "nu")}
    with jax.enable_x64(True):
        seen = walk(BOWL.loss, method, BOWL.start, 30, read)
    path = np.array(tutorials.adam(learning_rate=0.5, steps=30))
    # Thirty steps of a dozen roundings each, on numbers up to 20.
    np.testing.assert_allclose(seen["path"], path, rtol=0, atol=1e-11)
    # Twice the relative error of weights that pass close to 0, and twenty times it.
    np.testing.assert_allclose(seen["error"], path**2 @ [3, 10], rtol=1e-9)
    np.testing.assert_allclose(seen["gradient"], path[:-1] * [6, 20], atol=1e-9)
    # Sums of two terms after one step.
    g = path[:2] * [6, 20]
    np.testing.assert_allclose(seen["mu"][1], 0.1 * (0.9 * g[0] + g[1]), rtol=1e-12)
    nu = 0.001 * (0.999 * g[0] ** 2 + g[1] ** 2)
    np.testing.assert_allclose(seen["nu"][1], nu, rtol=1e-12)


def test_components_are_what_the_rules_say():
    start, beta = (-15.0, 20.0), 0.9
    path = {
        key: trajectory(BOWL, METHODS[key], {"learning_rate": 0.01}, start, 2)
        for key in ("adam", "momentum", "m_svag", "svag", "adam_star", "adarem", "ssd")
    }
    first = np.array([-90.0, 400.0])
    second = {k: path[k].points[1] * np.array([6, 20]) for k in path}
    # float64 throughout, with a difference of ones in the bias corrections.
    close = {"rtol": 1e-10}
    adam = path["adam"].components
    np.testing.assert_allclose(adam["m"][0], 0.1 * first, **close)
    np.testing.assert_allclose(adam["v"][0], 0.001 * first**2, **close)
    np.testing.assert_allclose(
        path["momentum"].components["m"][1], 0.9 * first + second["momentum"], **close
    )
    np.testing.assert_array_equal(path["ssd"].components["sign"], [[-1, 1]] * 2)
    # b is the agreement with one gradient: 1 where that was largest.
    share = 0.999 * np.abs(first) / 400 * np.sign(first * second["adarem"])
    np.testing.assert_allclose(
        path["adarem"].components["a_t"], [[1, 1], 1 + share], **close
    )
    for key in ("svag", "m_svag", "adam_star"):
        g = second[key]
        m = (beta * 0.1 * first + 0.1 * g) / (1 - beta**2)
        v = (beta * 0.1 * first**2 + 0.1 * g**2) / (1 - beta**2)
        rho = (1 - beta) * (1 + beta**2) / ((1 + beta) * (1 - beta**2))
        noise = (v - m**2) / (1 - rho) * (1 if key == "svag" else rho)
        factor = m**2 / (m**2 + noise)
        if key == "adam_star":
            factor = np.sqrt(factor)
        np.testing.assert_allclose(
            path[key].components["γ"], [[1, 1], factor], rtol=1e-8
        )


def test_sliders_compile_nothing(monkeypatch):
    traced = []
    evaluate = Formula.__call__

    def counted(self, w1, w2):
        traced.append(self.text)
        return evaluate(self, w1, w2)

    monkeypatch.setattr(Formula, "__call__", counted)
    # Of this test alone, so that nothing is compiled yet.
    surface = surfaces.from_formula("w1**2 + 2.5*w2**2 + 0.125")
    method = METHODS["adam"]
    trajectory(surface, method, {}, (1.0, 2.0), 10)
    once = len(traced)
    assert once > 0
    paths = [
        trajectory(surface, method, {"learning_rate": 0.2}, (1.0, 2.0), 10),
        trajectory(surface, method, {"b1": 0.0, "b2": 0.5}, (1.0, 2.0), 10),
        trajectory(surface, method, {}, (1.5, -2.0), 10),
        trajectory(surface, method, {}, (1.0, 2.0), 500),
        trajectory(surface, method, {}, (1.0, 2.0), 10, noise=1.0),
        trajectory(surface, method, {}, (1.0, 2.0), 10, noise=1.0, seed=3),
    ]
    assert len(traced) == once
    assert len({path.points[5].tobytes() for path in paths}) == len(paths)
    trajectory(surface, method, {"nesterov": True}, (1.0, 2.0), 10)
    assert len(traced) > once  # the counter counts


def test_noise_is_reproducible_and_shared():
    surface = PRESETS["noisy"]

    def gradients(key, seed):
        path = trajectory(
            surface, METHODS[key], {"learning_rate": 1e-4}, (0.0, 0.0), 500, 4.0, seed
        )
        return path.points

    np.testing.assert_array_equal(gradients("sgd", 1), gradients("sgd", 1))
    assert (gradients("sgd", 1)[1] != gradients("sgd", 2)[1]).all()
    noise = -np.diff(gradients("sgd", 1), axis=0) / 1e-4
    # Of 1000 numbers with deviation 4: within four standard errors.
    assert noise.std() == pytest.approx(4, abs=4 * 4 / np.sqrt(2000))
    signs = -np.diff(gradients("ssd", 1), axis=0) / 1e-4
    # Without a seed of its own: the same first noise.
    np.testing.assert_allclose(signs[0], np.sign(noise[0]), rtol=1e-9)


def test_a_diverging_path_is_cut_and_told():
    path = trajectory(BOWL, METHODS["sgd"], {"learning_rate": 10.0}, (1.0, 1.0), 400)
    last = len(path.points) - 1
    assert path.diverged_at == last + 1 < 400
    assert np.isfinite(path.losses).all() and path.losses.shape == (last + 1,)
    # (1 - 10·20)² a step, in what float32 can hold.
    assert 1e38 / 199**2 < path.final_loss < 3.5e38
    assert path.notice is not None and f"in step {last + 1}" in path.notice
    assert_one_sentence(path.notice)


def test_a_path_that_leaves_the_view_is_told():
    ravine = PRESETS["ravine"]
    adarem = METHODS["adarem"]
    path = trajectory(ravine, adarem, adarem.starting_values(ravine), ravine.start, 40)
    assert path.diverged_at is None and path.final_loss > 1e6
    assert path.notice is not None and "AdaRem leaves the view" in path.notice
    assert_one_sentence(path.notice)


def test_a_start_without_a_loss_is_told():
    surface = surfaces.from_formula("log(w1) + w2**2")
    path = trajectory(surface, METHODS["sgd"], {}, (-1.0, 0.0), 10)
    assert path.diverged_at == 0 and path.points.shape == (1, 2)
    assert path.notice is not None and "at the start (-1, 0)" in path.notice
    assert_one_sentence(path.notice)


@pytest.mark.parametrize("steps", [1, 500, 501, MAX_STEPS])
def test_number_of_steps(steps):
    path = trajectory(BOWL, METHODS["momentum"], {}, (1.0, 1.0), steps)
    assert path.points.shape == (steps + 1, 2)
    assert path.losses.shape == (steps + 1,)
    assert path.components["m"].shape == (steps, 2)


@pytest.mark.parametrize("steps", [0, -1, MAX_STEPS + 1])
def test_number_of_steps_out_of_range(steps):
    with pytest.raises(ValueError, match=f"between 1 and {MAX_STEPS}, got {steps}"):
        trajectory(BOWL, METHODS["sgd"], {}, (1.0, 1.0), steps)


def test_first_order_moments_roll_over_the_hole_from_092_up():
    hill = PRESETS["hill"]

    def end(beta):
        values = {"learning_rate": hill.rate, "beta": beta}
        path = trajectory(hill, METHODS["m_sgd"], values, hill.start, 500)
        return path.points[-1]

    hole = (3.144418189966749, 0.0)
    for beta in np.arange(0, 0.99, 0.01).round(2):
        aim = hill.minima[0] if beta >= 0.92 else hole
        # What is left of the way after 500 steps, at most where β is largest.
        np.testing.assert_allclose(end(float(beta)), aim, atol=0.02, err_msg=str(beta))
    descent = trajectory(
        hill, METHODS["sgd"], {"learning_rate": hill.rate}, hill.start, 500
    )
    np.testing.assert_allclose(descent.points[-1], hole, atol=0.02)


def test_paths_on_circles_stay_there():
    for key in ("adarem_s", "sgd_on_circle", "hyperball"):
        path = trajectory(BOWL, METHODS[key], {}, (3.0, 4.0), 100)
        # A few roundings of the norm at each step.
        np.testing.assert_allclose(np.linalg.norm(path.points, axis=1), 5, rtol=1e-13)
