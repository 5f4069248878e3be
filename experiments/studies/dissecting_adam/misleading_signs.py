r"""Lemma 2: on some data, methods that take the sign see :math:`X^T y` by its sign.

*Dissecting Adam*, section 5 and appendix B.6, after Wilson et al. 2017, section 3.3. If
:math:`X \, \mathrm{sign}(X^T y) = c y`, then on the least-squares loss
:math:`R(\theta) = \frac{1}{2n} \|X \theta - y\|^2`, from zero and with full gradients,
sign descent stays on the line along :math:`\mathrm{sign}(X^T y)`. M-SVAG does not.

The data that fulfil it, with labels 1 and -1 of which most are 1: feature 0 is the
label; features 1 and 2 are 1; five features are an example's own, of which one is 1 and
the others 0 if its label is 1, and all five are 1 if it is -1. Then c = 4. On the line
the features of an example's own explain it, and a fresh example, whose own were never
seen, is predicted from features 0 to 2 with equal weights: :math:`y + 2 > 0`, always 1.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import optax_sign
from experiments.claims import rules
from experiments.claims.claim import Calculation, Claim, Evidence, Table

POSITIVE, NEGATIVE = 20, 12  # training examples; as many fresh ones
OWN = 5
STEPS = 800

# Powers of two keep the arithmetic of sign descent exact; halving them makes it settle.
SIGN_RATE = optax.exponential_decay(2.0**-6, 40, 0.5, staircase=True)


def table(seed: int = 0, *, steps: int = STEPS) -> Table:
    """Where each method goes, and what its solution is worth on fresh data.

    Args:
      seed: of the order of the examples, to which full gradients are blind.
      steps: of each method.

    Returns:
      "condition", the largest |X sign(Xᵀy) - c y|, and "c"; and by method: "/cosine"
      with sign(Xᵀy) after each step, "/short", by how much the least of these falls
      short of 1, "/loss", R at the end, "/accuracy" on fresh examples, and "/margins",
      the least y xᵀθ of the fresh examples of label 1 and of label -1. The method
      "minimum norm" is the solution of least norm.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat([1.0, -1.0], [POSITIVE, NEGATIVE])
    trained, fresh = rng.permutation(labels), rng.permutation(labels)
    everything = features(np.concatenate([trained, fresh]))
    x, unseen = np.split(everything, [len(trained)])
    along = np.sign(x.T @ trained)
    multiple = float(np.mean(trained * (x @ along)))
    result: dict[str, Any] = {
        "c": multiple,
        "condition": float(np.max(np.abs(x @ along - multiple * trained))),
    }

    def record(name: str, thetas: np.ndarray) -> None:
        sizes = np.linalg.norm(thetas, axis=1) * np.linalg.norm(along)
        cosines = thetas @ along / sizes
        residual = x @ thetas[-1] - trained
        margins = fresh * (unseen @ thetas[-1])
        result[f"{name}/cosine"] = cosines.tolist()
        result[f"{name}/short"] = float(1 - cosines.min())
        result[f"{name}/loss"] = float(residual @ residual / (2 * len(x)))
        result[f"{name}/accuracy"] = float(np.mean(margins > 0))
        result[f"{name}/margins"] = [
            float(margins[fresh == label].min()) for label in (1, -1)
        ]

    with jax.enable_x64(True):
        for name, method in methods(x).items():
            record(name, np.asarray(iterates(method, x, trained, steps)))
    record("minimum norm", np.linalg.pinv(x)[None] @ trained)
    return result


def features(labels: np.ndarray) -> np.ndarray:
    """The examples with these labels: shape (n, 3 + 5n)."""
    count = len(labels)
    own = np.zeros((count, count, OWN))
    each = np.arange(count)
    own[each, each] = (np.arange(OWN) == 0) | (labels[:, None] < 0)
    ones = np.ones((count, 2))
    return np.hstack([labels[:, None], ones, own.reshape(count, count * OWN)])


def methods(x: np.ndarray) -> Mapping[str, optax.GradientTransformation]:
    """Those that take signs, and those that do not at a rate of one over curvature."""
    rate = float(len(x) / np.linalg.norm(x, 2) ** 2)
    return {
        "ssd": optax_sign.ssd(SIGN_RATE),
        "m_ssd": optax_sign.m_ssd(SIGN_RATE),
        # The fresh examples' own features have no gradient: an ε for 0/0 only.
        "adam": optax.adam(SIGN_RATE, eps=1e-300),
        "sgd": optax.sgd(rate),
        "m_sgd": optax_sign.m_sgd(rate),
        "m_svag": optax_sign.m_svag(rate),
    }


def iterates(
    method: optax.GradientTransformation, x: np.ndarray, y: np.ndarray, steps: int
) -> jax.Array:
    """θ after each step of a method from zero: shape (steps, features)."""

    def step(carry, _):
        theta, state = carry
        gradient = x.T @ (x @ theta - y) / len(x)
        updates, state = method.update(gradient, state, theta)
        theta = optax.apply_updates(theta, updates)
        return (theta, state), theta

    start = jnp.zeros(x.shape[1])
    run = jax.jit(lambda carry: jax.lax.scan(step, carry, length=steps)[1])
    return run((start, method.init(start)))


SIGNS = ("ssd", "m_ssd", "adam")


def _largest(evidence: Evidence, name: str) -> float:
    """Of the methods that take signs."""
    return np.max([evidence.table[f"{method}/{name}"] for method in SIGNS])


LEMMA_2 = Claim(
    id="da-l2",
    source="Dissecting Adam, Lemma 2",
    statement="Where X sign(Xᵀy) = c y, the iterates of sign descent stay "
    "proportional to sign(Xᵀy), which fails on new examples; those of M-SVAG do not.",
    protocol="the data of Wilson et al. (2017), 32 examples, least squares, full "
    "gradients, 800 steps",
    trial=Calculation(
        quantity="1 - the least cosine with sign(Xᵀy)",
        table=table,
        values=lambda t: {
            name: t[f"{name}/short"] for name in (*SIGNS, "sgd", "m_sgd", "m_svag")
        },
    ),
    rule=(
        rules.at_most(
            "the data fulfil the condition", lambda e: e.table["condition"], 0.0
        ),
        rules.at_most(
            "SSD, M-SSD and Adam: within 1e-12 of proportional",
            lambda e: _largest(e, "short"),
            1e-12,
        ),
        rules.at_least(
            "M-SVAG: further than 0.01 from it", lambda e: e.table["m_svag/short"], 0.01
        ),
        rules.at_most(
            "SSD, M-SSD and Adam: highest accuracy on new examples below 0.9",
            lambda e: _largest(e, "accuracy"),
            0.9,
        ),
        rules.at_least(
            "M-SVAG: all new examples right", lambda e: e.table["m_svag/accuracy"], 1.0
        ),
    ),
)
