"""The NumPy transcriptions in `reference/` against closed forms and numbers by hand."""

import ast
import math
import pathlib

import numpy as np
import pytest

from .reference import resilience, sphere
from .reference import sign_family as signs
from .reference import variance_adaptation as adaptation

# A few roundings of float64 (2.2e-16 each) on numbers of order one.
ROUND_OFF = 1e-13

OPTIMIZERS = {
    "ssd": (signs.ssd, {}),
    "m_sgd": (signs.m_sgd, {}),
    "m_ssd": (signs.m_ssd, {}),
    "mas": (signs.mas, {}),
    "svag": (adaptation.svag, {}),
    "m_svag": (adaptation.m_svag, {}),
    "adam_star": (adaptation.adam_star, {}),
    "adam_star_erf": (adaptation.adam_star, {"factor": "erf"}),
    "adam_star_plain": (adaptation.adam_star, {"momentum": False}),
    "adarem": (resilience.adarem, {}),
    "adarem_global": (resilience.adarem, {"scope": "global", "decay_every": 3}),
    "adarem_s": (sphere.adarem_s, {"scale_invariant": [True, False] * 3}),
    "sphere_sgd": (sphere.sphere_sgd, {}),
    "sphere_sgd_leaf": (sphere.sphere_sgd, {"scope": "leaf"}),
}
SHAPES = [(), (5,), (3, 2), (2, 1, 4), (2, 3, 1, 2), (0,)]


def tree(rng):
    return [np.asarray(rng.normal(size=shape)) for shape in SHAPES]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rank_zeros_schedules_and_decoupled_decay(name):
    optimizer, options = OPTIMIZERS[name]
    rng = np.random.default_rng(0)
    parameters, gradients = tree(rng), [tree(rng) for _ in range(4)]
    gradients[0] = [np.zeros(shape) for shape in SHAPES]
    for step in gradients:
        step[1][0] = 0.0
    if "sphere" in name or name == "adarem_s":
        parameters[2][:] = 0.0
    rates = [0.5, 0.25, 0.1, 0.05]
    plain = optimizer(parameters, gradients, learning_rate=rates.__getitem__, **options)
    assert [[leaf.shape for leaf in step] for step in plain] == [SHAPES] * 4
    assert all(np.isfinite(leaf).all() for step in plain for leaf in step)
    # No gradient so far: no update. On a sphere up to the rounding of R θ/‖θ‖.
    assert max(np.abs(leaf).max(initial=0) for leaf in plain[0]) < 1e-15
    assert all(leaf.dtype == np.float64 for step in plain for leaf in step)
    if "sphere" in name or name == "adarem_s":
        return
    assert plain[3][1][0] == 0.0
    decayed = optimizer(
        parameters,
        gradients,
        learning_rate=rates.__getitem__,
        weight_decay=0.3,
        **options,
    )
    theta = parameters
    for t, (bare, full) in enumerate(zip(plain, decayed, strict=True)):
        for k, leaf in enumerate(theta):
            expected = bare[k] - rates[t] * 0.3 * leaf
            np.testing.assert_allclose(full[k], expected, rtol=0, atol=ROUND_OFF)
        theta = [p + u for p, u in zip(theta, full, strict=True)]


def test_variance_adaptation_by_hand():
    # β = 1/2 and gradients 2, 4: m = 10/3, v = 12, ρ = 5/9, s = (8/9)/(4/9) = 2.
    gradients = [[np.array([2.0])], [np.array([4.0])]]
    settings = {"learning_rate": 1.0, "beta": 0.5}
    zero = [np.zeros(1)]
    expected = {
        signs.m_sgd: -10 / 3,
        adaptation.m_svag: -10 / 11 * 10 / 3,
        adaptation.svag: -50 / 59 * 4,
        adaptation.adam_star: -math.sqrt(10 / 11),
    }
    for optimizer, value in expected.items():
        update = optimizer(zero, gradients, **settings)[1][0]
        assert update == pytest.approx(value, rel=ROUND_OFF)
    star = [
        ({"momentum": False}, math.sqrt(50 / 59)),
        ({"factor": "erf"}, math.erf(math.sqrt(5))),
        ({"factor": "erf", "momentum": False}, math.erf(5 / 3)),
    ]
    for options, value in star:
        update = adaptation.adam_star(zero, gradients, **settings, **options)[1][0]
        assert update == pytest.approx(-value, rel=ROUND_OFF)
    # Gradients 4, -1: m = 2/3 and s = 25/2; m_1 and g_1 differ in sign.
    turned = [[np.array([4.0])], [np.array([-1.0])]]
    for momentum, value in (
        (True, -math.sqrt(4 / 66.5)),
        (False, math.sqrt(4 / 116.5)),
    ):
        update = adaptation.adam_star(zero, turned, momentum=momentum, **settings)[1][0]
        assert update == pytest.approx(value, rel=ROUND_OFF)
    # With ŝ = 3, 5 and the weights 1/3, 2/3: var m = Σ w² ŝ, and var g = 5.
    variances = [[np.array([3.0])], [np.array([5.0])]]
    noise = {"variance": "mini_batch", "variances": variances}
    mean, spread = 10 / 3, 3 / 9 + 5 * 4 / 9
    gamma = mean**2 / (mean**2 + spread)
    update = adaptation.m_svag(zero, gradients, **settings, **noise)[1][0]
    assert update == pytest.approx(-gamma * mean, rel=ROUND_OFF)
    update = adaptation.svag(zero, gradients, **settings, **noise)[1][0]
    assert update == pytest.approx(-(mean**2) / (mean**2 + 5) * 4, rel=ROUND_OFF)


def test_m_svag_begins_as_sgd_and_stays_so_on_a_constant_gradient():
    gradient = np.array([0.3, -7.0, 0.0, 1e-12])
    updates = adaptation.m_svag([np.zeros(4)], [[gradient]] * 50, learning_rate=0.5)
    for (update,) in updates:
        # m² and v differ by round-off, so γ is 1 to round-off.
        np.testing.assert_allclose(update, -0.5 * gradient, rtol=ROUND_OFF)


@pytest.mark.parametrize("factor", ["magnitude", "sign", "erf"])
@pytest.mark.parametrize("momentum", [True, False])
def test_factors_lie_between_zero_and_one(factor, momentum):
    rng = np.random.default_rng(4)
    scale = 10.0 ** rng.integers(-30, 31, size=200)
    gradients = [[scale * rng.integers(-2, 3, size=200)] for _ in range(12)]
    gamma = adaptation.factors(gradients, factor=factor, momentum=momentum)
    values = np.stack([leaf for (leaf,) in gamma])
    assert values.min() == 0.0 and values.max() == 1.0
    nonzero = gradients[0][0] != 0
    np.testing.assert_array_equal(values[0], nonzero)


def test_mas_is_m_ssd_by_another_name_and_default():
    gradients = [[np.array([1.0, -1.0, 0.0])], [np.array([-18.0, 20.0, 0.0])]]
    # β = 0.95: the average after two steps has the sign of 0.95 g_0 + g_1.
    updates = signs.mas([np.zeros(3)], gradients, learning_rate=2e-4)
    np.testing.assert_array_equal(updates[0][0], [-2e-4, 2e-4, 0.0])
    np.testing.assert_array_equal(updates[1][0], [2e-4, -2e-4, 0.0])
    late = [[np.array([1.0])], [np.array([-0.96])]]
    assert signs.mas([np.zeros(1)], late)[1][0] == 2e-4
    assert signs.m_ssd([np.zeros(1)], late, learning_rate=1.0, beta=0.97)[1][0] == -1
    assert signs.ssd([np.zeros(1)], late, learning_rate=1.0)[1][0] == 1


@pytest.mark.parametrize(
    ("options", "directions"),
    [
        # β = λ = 1/2: m_1 = (1/2, -1), m_2 = (-1/4, -1); the other leaf has 4 and 6.
        ({}, [[1, -2], [-0.75, -1.5], [3.75, 0]]),
        ({"decay_every": 2}, [[1, -2], [-0.5, -2], [3.5, 0]]),
        ({"scope": "global"}, [[1, -2], [-0.9375, -1.125], [95 / 24, 0]]),
        ({"eps": 1.0}, [[1, -2], [-0.875, -1.25], [3.8, 0]]),
    ],
)
def test_adarem_by_hand(options, directions):
    gradients = [[1.0, -2.0], [-1.0, -1.0], [4.0, 0.0]]
    steps = [[np.array(g), np.array(8.0)] for g in gradients]
    updates = resilience.adarem(
        [np.zeros(2), np.array(0.0)],
        steps,
        learning_rate=1.0,
        beta=0.5,
        decay=0.5,
        **options,
    )
    for (update, _), direction in zip(updates, directions, strict=True):
        np.testing.assert_allclose(update, -np.array(direction), rtol=ROUND_OFF)


def toy_gradient(leaves):
    """Gradient of ½ (u-c)ᵀA(u-c), u = θ/‖θ‖ over all leaves: (I - uuᵀ)A(u-c)/‖θ‖."""
    flat = np.concatenate([leaf.ravel() for leaf in leaves])
    size = np.linalg.norm(flat)
    u = flat / size
    inner = np.linspace(1, 5, flat.size) * (u - np.cos(np.arange(flat.size)))
    gradient = (inner - u * (u @ inner)) / size
    cuts = np.cumsum([leaf.size for leaf in leaves])[:-1]
    parts = np.split(gradient, cuts)
    return [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]


@pytest.mark.parametrize(
    ("scope", "radius"), [("global", None), ("global", 2.5), ("leaf", 0.5)]
)
def test_sphere_rate_follows_flat_sgd_with_decay(scope, radius):
    def gradient_of(leaves):
        if scope == "global":
            return toy_gradient(leaves)
        return [toy_gradient([leaf])[0] for leaf in leaves]

    rng = np.random.default_rng(5)
    start = [rng.normal(size=(2, 3)), rng.normal(size=4)]
    steps, decay = 200, 0.03
    settings = {"weight_decay": decay, "radius": radius, "scope": scope}

    def rate(t):
        return 0.1 + 0.1 * math.cos(math.pi * t / steps)

    def sizes(leaves):
        if scope == "global":
            return [sphere.norm(leaves)] * 2
        return [sphere.norm([leaf]) for leaf in leaves]

    def onto_sphere(leaves):
        radii = sizes(start) if radius is None else [radius] * 2
        scales = zip(leaves, radii, sizes(leaves), strict=True)
        return [leaf * r / size for leaf, r, size in scales]

    # The gradients are taken on the ray of the flat weights: those of the sphere, as
    # long as its weights stay on that ray.
    path = [start]
    for t in range(steps):
        path.append(
            [
                (1 - rate(t) * decay) * w - rate(t) * g
                for w, g in zip(path[t], gradient_of(path[t]), strict=True)
            ]
        )
    gradients = [gradient_of(onto_sphere(flat)) for flat in path[:-1]]
    updates = sphere.sphere_sgd(start, gradients, learning_rate=rate, **settings)
    theta = start
    for update, flat in zip(updates, path[1:], strict=True):
        theta = [p + u for p, u in zip(theta, update, strict=True)]
        for p, w in zip(theta, onto_sphere(flat), strict=True):
            np.testing.assert_allclose(p, w, rtol=0, atol=ROUND_OFF)
    # The flat norm does change, so a rate without α_t could not have followed.
    assert abs(sphere.norm(path[-1]) / sphere.norm(start) - 1) > 0.3


def test_projection_keeps_the_ray_and_the_radius():
    start, steps = [np.array([3.0, 0.0])], [[np.array([1.0, 4.0])]]
    assert sphere.project_to_sphere(start, steps)[0][0] == pytest.approx(
        np.array([3 / math.sqrt(2) - 3, 3 / math.sqrt(2)]), rel=ROUND_OFF
    )
    # θ̂_0 = (1, 0) comes first: (1, 0) + (1, 4) is on the ray of (1, 2).
    assert sphere.project_to_sphere(start, steps, radius=1.0)[0][0] == pytest.approx(
        np.array([1 / math.sqrt(5) - 3, 2 / math.sqrt(5)]), rel=ROUND_OFF
    )


def test_adarem_s_is_its_two_halves():
    rng = np.random.default_rng(6)
    parameters = tree(rng)[1:5]
    gradients = [tree(rng)[1:5] for _ in range(6)]
    options = {"beta": 0.7, "decay": 0.9, "decay_every": 2, "scope": "global"}
    rates = {"learning_rate": 0.1, "weight_decay": 0.2}
    mixed = sphere.adarem_s(
        parameters,
        gradients,
        scale_invariant=[False, True, True, False],
        **options,
        **rates,
    )
    outside = resilience.adarem(
        [parameters[0], parameters[3]],
        [[step[0], step[3]] for step in gradients],
        **options,
        **rates,
    )
    inside = [[step[1], step[2]] for step in gradients]
    inside = resilience.resilient_gradients(inside, **options)
    theta = parameters[1:3]
    radius = alpha = sphere.norm(theta)
    alpha /= radius
    for t, step in enumerate(mixed):
        np.testing.assert_array_equal(step[0], outside[t][0])
        np.testing.assert_array_equal(step[3], outside[t][1])
        rate = 0.1 / (alpha**2 * 0.98)
        moved = [p - rate * d for p, d in zip(theta, inside[t], strict=True)]
        alpha *= 0.98 * sphere.norm(moved) / radius
        after = [radius * leaf / sphere.norm(moved) for leaf in moved]
        for k in range(2):
            expected = after[k] - theta[k]
            np.testing.assert_allclose(step[k + 1], expected, atol=ROUND_OFF)
        theta = after


def test_references_depend_on_numpy_alone():
    folder = pathlib.Path(__file__).parent / "reference"
    files = sorted(folder.glob("*.py"))
    assert len(files) >= 8
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                # One dot is this folder; more would leave it.
                assert node.level <= 1, file.name
                imported = {(node.module or "").split(".")[0]} if not node.level else ()
            else:
                continue
            assert set(imported) <= {"numpy", "math", "collections"}, file.name
