r"""A ravine: what each optimizer does where one direction is far more curved.

Tutorial B. The surface is `surfaces.ravine`, curved a hundred times as much across as
along, and the minimum lies along. Gradient descent takes 0.98 of its largest stable
rate, :math:`2/\lambda_{max}`, at which it bounces;
momentum takes the same rate. For RMSProp and Adam, whose rate is about the length of a
step, that has no meaning: they take the one of `RATES` with the least error in the end,
with ε = 1e-10 in the root, as printed.
"""

from collections.abc import Callable, Mapping

import jax
import numpy as np
import optax
from jax.typing import ArrayLike

from experiments.claims.claim import Table
from experiments.paths import tutorial_surfaces as surfaces
from experiments.paths.walks import walk

DESCENT = 0.98 * 2 / surfaces.ACROSS
RATES = tuple(np.geomspace(0.01, 3, 26))
EPS = 1e-10
COEFFICIENT = 0.9
STEPS = 150
MEMORY = 10  # steps that an average of decay 0.9 remembers: 1 / (1 - 0.9)

PLAIN = {
    "gradient descent": optax.sgd(DESCENT),
    "momentum 0.5": optax.sgd(DESCENT, momentum=0.5),
    "momentum 0.9": optax.sgd(DESCENT, momentum=COEFFICIENT),
}
ADAPTIVE = {
    "RMSProp": lambda rate: optax.rmsprop(rate, decay=0.9, eps=EPS, eps_in_sqrt=True),
    "Adam": lambda rate: optax.adam(rate, eps=0.0, eps_root=EPS),
}


def table(seed: int = 0) -> Table:
    """The walks, and how much of them went across the ravine.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      By method: "/path", the weights, the start first; "/error" at these; "/turns", the
      share of steps that go across the other way than the step before; "/across", the
      length of the way across. Of RMSProp and Adam: "/rate", the best; "/early", the
      learning rate across over that along, mean of the first `MEMORY` steps.
      "gradient", at the start. And of the gradients on the way of gradient descent,
      "summed/across" and "summed/along": the last momentum in
      magnitude, over what it would be if none of its terms cancelled.
    """
    del seed
    result: dict[str, float | list[float] | list[list[float]]] = {}
    with jax.enable_x64(True):
        for name, method in PLAIN.items():
            seen = _walked(method, ())
            result |= _measured(name, seen)
            if name == "gradient descent":
                gradients = np.asarray(seen["gradient"])
                result["gradient"] = gradients[0].tolist()
                left = uncancelled(gradients, COEFFICIENT)
                result["summed/across"], result["summed/along"] = left.tolist()
        for name, make in ADAPTIVE.items():
            rate = result[f"{name}/rate"] = best_rate(make)
            seen = _walked(make(rate), ("nu",))
            result |= _measured(name, seen)
            across, along = np.sqrt(np.asarray(seen["nu"])).T
            result[f"{name}/early"] = float(np.mean((along / across)[:MEMORY]))
    return result


def best_rate(make: Callable[[ArrayLike], optax.GradientTransformation]) -> float:
    """The rate of `RATES` with the least error after the last step."""
    last = jax.vmap(lambda rate: _walked(make(rate), ())["error"][-1])
    return RATES[int(np.argmin(jax.jit(last)(np.array(RATES))))]


def _walked(
    method: optax.GradientTransformation, components: tuple[str, ...]
) -> Mapping[str, jax.Array]:
    return walk(
        surfaces.ravine,
        method,
        surfaces.RAVINE_START,
        STEPS,
        components,
    )


def _measured(
    name: str, seen: Mapping[str, jax.Array]
) -> dict[str, float | list[float] | list[list[float]]]:
    path = np.asarray(seen["path"])
    return {
        f"{name}/path": path.tolist(),
        f"{name}/error": np.asarray(seen["error"]).tolist(),
        f"{name}/turns": turns(path[:, 0]),
        f"{name}/across": float(np.abs(np.diff(path[:, 0])).sum()),
    }


def turns(weights: np.ndarray) -> float:
    """The share of steps with another sign than the step before."""
    signs = np.sign(np.diff(weights))
    return float(np.mean(signs[1:] != signs[:-1]))


def uncancelled(gradients: np.ndarray, coefficient: float) -> np.ndarray:
    """What is left when momentum sums gradients up, as a share of their magnitudes.

    Args:
      gradients: one a step, shape (steps, d).
      coefficient: of momentum.

    Returns:
      1 where none cancelled, 0 where all did, shape (d,).
    """
    weights = coefficient ** np.arange(len(gradients))[::-1]
    return np.abs(weights @ gradients) / (weights @ np.abs(gradients))
