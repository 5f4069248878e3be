r"""Online convex problems: in each round a point is chosen, then a loss is revealed.

.. math::
  R_T = \sum_{t=1}^T f_t(\theta_t) - \min_{\theta \in F} \sum_{t=1}^T f_t(\theta)

The set F is the box :math:`[-D/2, D/2]^d`, of diameter D in the largest norm.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.data import datasets

TOP, SHIRT = 0, 6  # the two classes of Fashion-MNIST that are hardest to tell apart
POOL = 4  # pixels, to either side: 7 times 7 features remain
REACH = 10.0  # D of the logistic problem

PROBLEMS = {
    "linear": "linear, random signs",
    "quadratic": "quadratic, random targets",
    "logistic": "logistic, Fashion-MNIST",
    "cycle": "periodic: 3x, -x, -x",
    "rare": "periodic: 150x, then 99 times -x",
}
PERIODIC = {"cycle": (3, 3.0), "rare": (100, 150.0)}  # period, C
LONGER = 10  # the periodic problems go on for so many times the steps of the others


@dataclasses.dataclass(frozen=True, kw_only=True)
class OnlineProblem:
    """Convex losses in the order in which they are revealed.

    Attributes:
      rounds: shape (streams, T, …): what sets the loss of each round apart, for streams
        drawn independently of each other.
      loss: f_t of a point, shape (d,), and one round.
      least: of one stream and ascending T, shape (k,), the least total loss of a fixed
        point of the box for each T, or a number just below it: shape (k,).
      dimension: d.
      diameter: D.
      steepest: G₂, the largest length of a gradient in the box.
    """

    rounds: np.ndarray
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    least: Callable[[np.ndarray, np.ndarray], np.ndarray]
    dimension: int
    diameter: float
    steepest: float

    @property
    def best_rate(self) -> float:
        """η with the least bound known for projected descent, D √(d/2) / G₂."""
        return self.diameter * float(np.sqrt(self.dimension / 2)) / self.steepest


def problems(
    seed: int, steps: int, streams: tuple[int, int]
) -> Mapping[str, OnlineProblem]:
    """The problems by name, in the order of `PROBLEMS`.

    Args:
      seed: of all that is random: periodic problems are not.
      steps: T; periodic problems go on for `LONGER` times that.
      streams: of the linear and quadratic problems, and of the logistic one.
    """
    many, few = streams
    return {
        "linear": linear(seed, many, steps),
        "quadratic": quadratic(seed, many, steps),
        "logistic": logistic(seed, few, steps, tops_and_shirts()),
        **{
            name: periodic(LONGER * steps, period, steep)
            for name, (period, steep) in PERIODIC.items()
        },
    }


def play(
    problem: OnlineProblem, method: optax.GradientTransformation, stream: jax.Array
) -> jax.Array:
    """The loss of each round, from the middle of the box on: shape (T,)."""
    side = problem.diameter / 2

    def step(carry, revealed):
        x, state = carry
        loss, gradient = jax.value_and_grad(problem.loss)(x, revealed)
        updates, state = method.update(gradient, state, x)
        moved = optax.apply_updates(x, updates)
        return (optax.projections.projection_box(moved, -side, side), state), loss

    start = jnp.zeros(problem.dimension)
    return jax.lax.scan(step, (start, method.init(start)), stream)[1]


def linear(seed: int, streams: int, steps: int, dimension: int = 10) -> OnlineProblem:
    """⟨c_t, x⟩ with random signs, whose regret no method keeps below order √T."""
    signs = np.random.default_rng(seed).choice(
        np.array([-1, 1], np.int8), (streams, steps, dimension)
    )
    return OnlineProblem(
        rounds=signs,
        loss=jnp.vdot,
        least=_least_linear,
        dimension=dimension,
        diameter=2.0,
        steepest=float(np.sqrt(dimension)),
    )


def quadratic(
    seed: int, streams: int, steps: int, dimension: int = 10
) -> OnlineProblem:
    """Σ h_i (x_i - z_ti)² / 2 with targets drawn anew in every round.

    Curvatures are spread from 0.1 to 1, targets uniform in the box.
    """
    curvatures = np.geomspace(0.1, 1, dimension)
    targets = np.random.default_rng(seed).uniform(-1, 1, (streams, steps, dimension))

    def least(stream: np.ndarray, kept: np.ndarray) -> np.ndarray:
        total, squares = (np.cumsum(stream**k, axis=0)[kept - 1] for k in (1, 2))
        count = kept[:, None]
        best = total / count  # a mean of targets never leaves the box
        return (count * best**2 - 2 * best * total + squares) @ curvatures / 2

    return OnlineProblem(
        rounds=targets,
        loss=lambda x, target: jnp.sum(curvatures * (x - target) ** 2) / 2,
        least=least,
        dimension=dimension,
        diameter=2.0,
        steepest=float(2 * np.linalg.norm(curvatures)),
    )


def logistic(seed: int, streams: int, steps: int, rows: np.ndarray) -> OnlineProblem:
    """log(1 + exp(-⟨row, x⟩)), an example a round, in random order pass after pass.

    Args:
      seed: of the order.
      streams: number of orders.
      steps: T.
      rows: shape (n, d): the features of each example times its label, 1 or -1.
    """
    rng = np.random.default_rng(seed)
    count, dimension = rows.shape
    passes = np.tile(np.arange(count, dtype=np.int32), (streams, -(-steps // count), 1))
    order = rng.permuted(passes, axis=-1).reshape(streams, -1)[:, :steps]
    return OnlineProblem(
        rounds=order,
        loss=lambda x, index: jax.nn.softplus(-jnp.asarray(rows)[index] @ x),
        least=lambda stream, kept: _least_logistic(rows, stream, kept),
        dimension=dimension,
        diameter=REACH,
        steepest=float(np.linalg.norm(rows, axis=1).max()),
    )


def periodic(steps: int, period: int, steep: float) -> OnlineProblem:
    """C x in the first round of each period and -x in the others, on [-1, 1].

    With a period of 3 and C > 2 this is what Reddi et al. (2018) show Adam to fail on:
    -1 is best, and a method that shrinks the rare large gradient goes to 1.

    Args:
      steps: T.
      period: rounds from one large gradient to the next.
      steep: C, above the number of the other rounds.
    """
    slopes = np.where(np.arange(steps) % period == 0, steep, -1.0)[None, :, None]
    return OnlineProblem(
        rounds=slopes,
        loss=jnp.vdot,
        least=_least_linear,
        dimension=1,
        diameter=2.0,
        steepest=float(steep),
    )


def tops_and_shirts() -> np.ndarray:
    """Rows of a logistic problem on real images, shape (12000, 50).

    The means of 4 by 4 pixels of Fashion-MNIST's T-shirts and shirts, less their
    averages, and a constant 1; times 1 for a shirt and -1 for a T-shirt.
    """
    dataset = datasets.load("fashion_mnist")
    chosen = np.isin(dataset.train_labels, (TOP, SHIRT))
    images = dataset.train_inputs[chosen, ..., 0] / 255
    size = images.shape[1] // POOL
    pooled = images.reshape(-1, size, POOL, size, POOL).mean(axis=(2, 4))
    features = pooled.reshape(len(images), -1)
    labels = np.where(dataset.train_labels[chosen] == SHIRT, 1.0, -1.0)
    ones = np.ones((len(images), 1))
    return labels[:, None] * np.hstack([features - features.mean(axis=0), ones])


def _least_linear(stream: np.ndarray, kept: np.ndarray) -> np.ndarray:
    # Best is the corner of [-1, 1]^d opposite to the sum.
    totals = np.cumsum(stream, axis=0, dtype=float)[kept - 1]
    return -np.abs(totals).sum(axis=1)


def _least_logistic(
    rows: np.ndarray, stream: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    from scipy import optimize, special  # take a fifth of a second to import

    bounds = [(-REACH / 2, REACH / 2)] * rows.shape[1]
    point, result = np.zeros(rows.shape[1]), []
    for count in kept:
        often = np.bincount(stream[:count], minlength=len(rows))
        seen, share = rows[often > 0], often[often > 0] / count

        def mean_loss(x, seen=seen, share=share):
            margins = seen @ x
            slopes = share * special.expit(-margins)
            return share @ np.logaddexp(0, -margins), -seen.T @ slopes

        found = optimize.minimize(
            mean_loss,
            point,
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"ftol": 0.0, "gtol": 1e-7, "maxiter": 5000, "maxfun": 10_000},
        )
        point = found.x  # a good start for the next T
        # A convex loss falls from here by no more than its tangent does in the box.
        fall = found.jac @ point + REACH / 2 * np.abs(found.jac).sum()
        result.append(count * (found.fun - fall))
    return np.array(result)
