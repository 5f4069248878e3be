r"""Adaptive learning rates on their way down :math:`E = 3 w_1^2 + 10 w_2^2`.

Tutorial A, part 2, Figure 2, and part 3, Figure 4: the adaptive scheme, which is
RMSProp with ε in the root, at the rate of the numerical example, and Adam. The rate of
Adam is ours: the tutorial's slider moves it. It is the largest step of each weight.
"""

from collections.abc import Mapping

import jax
import numpy as np
import optax

from experiments.claims.claim import Table
from experiments.paths import tutorial_surfaces as surfaces
from experiments.paths.walks import walk
from experiments.studies.tutorials.worked_numbers import (
    ADAPTIVE_RATE,
    EPS,
    LEARNING_RATE,
)

BETAS = (0.0, 0.9)
STEPS = 700
ADAM_RATE = 0.5
ADAM_STEPS = 150
FIRST_BETAS = (0.5, 0.9, 0.97)  # at a second of 0.999
SECOND_BETAS = (0.5, 0.9)  # at a first of 0.9


def adaptive(seed: int = 0) -> Table:
    """Gradient descent and the adaptive scheme.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      By "gradient descent" and "β = …": "/path", the weights, w(0) first; "/error" at
      these; "/gradient" of each step; and "/nu", s after each step, if there is one.
    """
    del seed
    methods = {
        f"β = {beta:g}": optax.rmsprop(
            ADAPTIVE_RATE, decay=beta, eps=EPS, eps_in_sqrt=True
        )
        for beta in BETAS
    }
    return {
        **_walked({"gradient descent": optax.sgd(LEARNING_RATE)}, STEPS, ()),
        **_walked(methods, STEPS, ("nu",)),
    }


def adam(seed: int = 0) -> Table:
    """Adam with one of its decays changed at a time.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      By "β₁ = …, β₂ = …": "/path", the weights, w(0) first; "/error" at these;
      "/gradient" of each step; "/mu" and "/nu", m and s after each step.
    """
    del seed
    pairs = [(beta, 0.999) for beta in FIRST_BETAS]
    pairs += [(0.9, beta) for beta in SECOND_BETAS]
    methods = {
        f"β₁ = {b1:g}, β₂ = {b2:g}": optax.adam(
            ADAM_RATE, b1=b1, b2=b2, eps=0.0, eps_root=EPS
        )
        for b1, b2 in pairs
    }
    return _walked(methods, ADAM_STEPS, ("mu", "nu"))


def _walked(
    methods: Mapping[str, optax.GradientTransformation],
    steps: int,
    components: tuple[str, ...],
) -> dict[str, list[float] | list[list[float]]]:
    result = {}
    with jax.enable_x64(True):
        for name, method in methods.items():
            seen = walk(
                surfaces.example,
                method,
                surfaces.START,
                steps,
                components,
            )
            for what, values in seen.items():
                result[f"{name}/{what}"] = np.asarray(values).tolist()
    return result
