r"""Adaptive learning rates on their way down :math:`E = 3 w_1^2 + 10 w_2^2`.

Tutorial A, part 2, Figure 2, and part 3, Figure 4: the adaptive scheme, which is
RMSProp with ε in the root, at the rate of the numerical example, and Adam. The rate of
Adam is ours: the tutorial's slider moves it. It is the largest step of each weight. The
bounds of the rules are read from the tutorial's words.
"""

import itertools

import numpy as np
import optax

from experiments.claims import rules
from experiments.claims.claim import Calculation, Claim, Evidence, Table
from experiments.studies.tutorials import worked_numbers
from experiments.studies.tutorials.drawing import descents
from experiments.studies.tutorials.worked_numbers import EPS, LEARNING_RATE

BETAS = (0.0, 0.9)
SCHEMES = tuple(f"β = {beta:g}" for beta in BETAS)
DESCENT = "gradient descent"
STEPS = 700
ADAM_RATE = 0.5
ADAM_STEPS = 150
CARDINAL = 1.0  # degrees from one of the eight directions


FIRST, SECOND = (
    {f"β₁ = {b1:g}, β₂ = {b2:g}": (b1, b2) for b1, b2 in pairs}
    for pairs in (
        ((0.5, 0.999), (0.9, 0.999), (0.97, 0.999)),
        ((0.9, 0.5), (0.9, 0.9), (0.9, 0.999)),
    )
)


def adaptive() -> Table:
    """Gradient descent and the adaptive scheme.

    Returns:
      By "gradient descent" and "β = …": "/path", the weights, w(0) first; "/error" at
      these; "/gradient" of each step; and "/nu", s after each step, if there is one.
    """
    schemes = map(worked_numbers.adaptive, BETAS)
    return {
        **worked_numbers.descend({DESCENT: optax.sgd(LEARNING_RATE)}, STEPS),
        **worked_numbers.descend(dict(zip(SCHEMES, schemes, strict=True)), STEPS, "nu"),
    }


def adam() -> Table:
    """Adam with one of its decays changed at a time.

    Returns:
      By "β₁ = …, β₂ = …": "/path", the weights, w(0) first; "/error" at these;
      "/gradient" of each step; "/mu" and "/nu", m and s after each step.
    """
    methods = {
        name: optax.adam(ADAM_RATE, b1=b1, b2=b2, eps=0.0, eps_root=EPS)
        for name, (b1, b2) in (FIRST | SECOND).items()
    }
    return worked_numbers.descend(methods, ADAM_STEPS, "mu", "nu")


def _way(table: Table, name: str) -> np.ndarray:
    """Until the error is a thousandth of the first: shape (steps + 1, 2)."""
    errors = np.asarray(table[f"{name}/error"])
    return np.asarray(table[f"{name}/path"])[: np.argmax(errors < errors[0] / 1000)]


def detour(table: Table, name: str) -> float:
    """The length of a way over the straight distance of its ends."""
    way = _way(table, name)
    length = np.linalg.norm(np.diff(way, axis=0), axis=1).sum()
    return float(length / np.linalg.norm(way[-1] - way[0]))


def from_cardinal(steps: np.ndarray) -> np.ndarray:
    """Degrees between each step and the nearest of the eight directions."""
    angles = np.degrees(np.arctan2(steps[:, 1], steps[:, 0]))
    return np.abs((angles + 22.5) % 45 - 22.5)


def _share_cardinal(table: Table, name: str) -> float:
    return float(np.mean(from_cardinal(np.diff(_way(table, name), axis=0)) <= CARDINAL))


def _flipped(evidence: Evidence) -> float:
    steps, gradients = (
        np.array([evidence.table[f"{name}/{what}"] for name in SCHEMES])
        for what in ("path", "gradient")
    )
    return float(np.sum(np.diff(steps, axis=1) * gradients > 0))


ADAPTIVE = Claim(
    id="ta-a",
    source="Tutorial A, part 2, Figure 2",
    statement="With adaptive learning rates the route points more directly at the "
    "optimum and is shorter; β = 0 mainly restricts it to the eight cardinal "
    "directions, and β = 0.9 takes a broader range; the sign of no gradient changes.",
    protocol="3 w₁² + 10 w₂² from (-15, 20), rate 0.05 (gradient descent: 0.001), "
    "until the error is a thousandth of the first; restricted is nine steps in ten, to "
    "a degree, and a broader range is fewer (at most half of them, at first)",
    trial=Calculation(
        quantity="length of the route over the straight distance",
        table=adaptive,
        values=lambda t: {name: detour(t, name) for name in (DESCENT, *SCHEMES)},
    ),
    rule=(
        rules.at_most(
            "length with β = 0.9 over that of gradient descent: below 1",
            lambda e: detour(e.table, "β = 0.9") / detour(e.table, DESCENT),
            1.0,
        ),
        rules.at_least(
            "β = 0: share of steps in cardinal directions at least 0.9",
            lambda e: _share_cardinal(e.table, "β = 0"),
            0.9,
        ),
        rules.at_most(
            "share of steps in cardinal directions, β = 0.9 less β = 0: below 0",
            lambda e: (
                _share_cardinal(e.table, "β = 0.9") - _share_cardinal(e.table, "β = 0")
            ),
            -1e-6,  # one step is a hundredth
        ),
        rules.at_most(
            "components of steps against their gradient's descent: none", _flipped, 0
        ),
    ),
    figure=descents(
        "figure-adaptive",
        {"nu": "scale √s"},
        "Tutorial A, part 2, Figure 2: adaptive learning rates",
        "E = 3 w₁² + 10 w₂² from (-15, 20), rate 0.05; of gradient descent 0.001.",
    ),
)


def overshoot(table: Table, name: str) -> float:
    """How far the weights go past the minimum, at most, as a share of the start."""
    path = np.asarray(table[f"{name}/path"])
    return float(np.max(-path / path[0]))


def _tilt(table: Table, name: str) -> float:
    """Mean degrees from a cardinal direction, until a weight passes the minimum."""
    path = np.asarray(table[f"{name}/path"])
    before = int(np.argmax(np.any(path * path[0] < 0, axis=1)))
    return float(np.mean(from_cardinal(np.diff(path[:before], axis=0))))


ADAM = Claim(
    id="ta-adam-path",
    source="Tutorial A, part 3, Figure 4",
    statement="With larger β₁ Adam overshoots the minimum further; small β₂ prefers "
    "the direction of the gradients and large β₂ their magnitude.",
    protocol="3 w₁² + 10 w₂² from (-15, 20), rate 0.5, 150 iterations; a preference of "
    "direction shows in steps along the eight cardinal ones",
    trial=Calculation(
        quantity="furthest past the minimum, over the start",
        table=adam,
        values=lambda t: {name: overshoot(t, name) for name in FIRST | SECOND},
        digits=2,
    ),
    rule=(
        *(
            rules.at_least(
                f"overshoot with {high} less that with {low}: above 0",
                lambda e, a=high, b=low: e.values[a].mean - e.values[b].mean,
                1e-6,
            )
            for low, high in itertools.pairwise(FIRST)
        ),
        *(
            rules.at_least(
                f"degrees from a cardinal direction, mean until the minimum is "
                f"passed, with {high} less that with {low}: above 0",
                lambda e, a=high, b=low: _tilt(e.table, a) - _tilt(e.table, b),
                1e-6,
            )
            for low, high in itertools.pairwise(SECOND)
        ),
    ),
    figure=descents(
        "figure-adam",
        {"mu": "moment m", "nu": "scale √s"},
        "Tutorial A, part 3, Figure 4: Adam",
        "E = 3 w₁² + 10 w₂² from (-15, 20), rate 0.5.",
    ),
)
