r"""The numbers that Tutorial A works out by hand, by the optimizers of optax.

On :math:`E = 3 w_1^2 + 10 w_2^2` from (-15, 20): two steps of gradient descent, of
momentum and of the adaptive learning scheme, which is RMSProp with ε in the root. On a
constant gradient: what momentum makes of it. And the factor that both bias corrections
of Adam's second step come to.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.claims.claim import Table
from experiments.paths import tutorial_surfaces as surfaces
from experiments.paths.walks import walk

LEARNING_RATE, FRICTION = 0.001, 0.9
ADAPTIVE_RATE, BETA, EPS = 0.05, 0.9, 1e-8
CONSTANT = 400  # steps on a constant gradient: 0.9^400 < 1e-18 is still to come

METHODS = {
    "gradient descent": (optax.sgd(LEARNING_RATE), ()),
    "momentum": (optax.sgd(LEARNING_RATE, momentum=FRICTION), ("trace",)),
    "adaptive": (
        optax.rmsprop(ADAPTIVE_RATE, decay=BETA, eps=EPS, eps_in_sqrt=True),
        ("nu",),
    ),
}


def table(seed: int = 0) -> Table:
    """Two steps of each method, and the two factors.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      By method: "/path", the weights w(0), w(1) and w(2); "/gradient" at the first two.
      "momentum/trace", m(1) and m(2), and "adaptive/nu", s(1) and s(2); "gain", of
      momentum on a constant gradient; "prefactor", of Adam's second step.
    """
    del seed
    result: dict[str, float | list[float] | list[list[float]]] = {}
    with jax.enable_x64(True):
        for name, (method, components) in METHODS.items():
            seen = walk(
                surfaces.example,
                method,
                surfaces.START,
                2,
                components,
            )
            for what in ("path", "gradient", *components):
                result[f"{name}/{what}"] = np.asarray(seen[what]).tolist()
        result["gain"] = gain(FRICTION)
        result["prefactor"] = prefactor()
    return result


def gain(friction: float) -> float:
    """By what momentum has multiplied a constant gradient in the end."""
    seen = walk(jnp.sum, optax.trace(friction), (0.0,), CONSTANT, ("trace",))
    return float(seen["trace"][-1, 0])


def prefactor(beta_1: float = 0.9, beta_2: float = 0.999) -> float:
    """By what the bias corrections of Adam multiply its second step."""
    method = optax.scale_by_adam(beta_1, beta_2, eps=0.0)
    one = jnp.ones(())
    _, state = method.update(one, method.init(one))
    update, state = method.update(one, state)
    # The state keeps both moments as they are without any correction.
    mu, nu = (np.asarray(optax.tree.get(state, name)) for name in ("mu", "nu"))
    return float(np.asarray(update) * np.sqrt(nu) / mu)
