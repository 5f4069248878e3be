r"""The theorem: with exact factors, SVAG converges at O(1/t) with a constant step size.

*Dissecting Adam*, section 3.2 and appendix B.4. Its assumptions, and how a stochastic
quadratic (ten eigenvalues from U[0.5, 1.5], ν = 1) meets them:

- f is μ-strongly convex and L-smooth: the ends of the spectrum;
- the gradient is unbiased, of variance σ² in each component, with
  :math:`\sum_i \sigma_i^2 \le c_v \|\nabla f\|^2 + M_v`: the noise does not depend on
  θ, so :math:`c_v = 0` and :math:`M_v = \nu^2 \mathrm{tr}(QQ)`, and does not vanish at
  the minimum;
- :math:`\theta_{t+1} = \theta_t - \frac1L \gamma_t \odot g_t` with
  :math:`\gamma_i = \nabla f_i^2 / (\nabla f_i^2 + \sigma_i^2)`.

Then, with the constants of the proof,

.. math::
  E[f_t] - f_* \le \frac{1}{1/e_0 + c t}, \qquad
  c = \frac{2 \mu^2 / L}{(1 + c_v) (2 L^2 / \mu) e_0 + M_v}

which falls as 1/t after some :math:`1 / (c e_0)` steps, more than the cube of the
condition number: twenty here. The slope is measured from a decade later on. In the
rotated basis it is then still on its way to -1: between 3,000 and 300,000 steps, too
long for this table, it is -0.96. SGD at the same step size stalls where its noise
balances its descent.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from scipy import special

from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table
from experiments.claims.intervals import Interval
from experiments.studies.dissecting_adam.stochastic_quadratics import (
    BASES,
    Quadratic,
    quadratic,
)
from experiments.style import STYLES
from optax_sign import theory

DIMENSION = 10
NOISE = 1.0
STEPS = 20_000
REPETITIONS = 200
POINTS_PER_DECADE = 10
DECADES = 2  # the last ones, over which the slope is taken
METHODS = {"svag": "SVAG, exact factors", "sgd": "SGD"}


def even(key: jax.Array, dimension: int) -> jax.Array:
    """Eigenvalues between 0.5 and 1.5, uniformly."""
    return jax.random.uniform(key, (dimension,), minval=0.5, maxval=1.5)


def table(
    seed: int = 0, *, steps: int = STEPS, repetitions: int = REPETITIONS
) -> Table:
    """The loss above its minimum against the steps, and its slope.

    Args:
      seed: of the problem, the start and the noise, which both methods share.
      steps: of each method.
      repetitions: of the noise: the problem and the start are the same for all.

    Returns:
      "steps", those at which the loss is kept; "confidence_factor", half of a 95 %
      interval in standard errors. By basis: "/bound", the theorem's, at these steps;
      "/floor", where SGD stalls. And by "basis/method": "/mean" of the loss, "/error",
      its standard error; "/slope" of log mean loss over log steps in the last decades
      and "/slope_error", its standard error.
    """
    kept = kept_steps(steps)
    result: dict[str, Any] = {
        "steps": kept.astype(float).tolist(),
        "confidence_factor": float(special.stdtrit(repetitions - 1, 0.975)),
    }
    with jax.enable_x64(True):
        for basis in BASES:
            problem_key, start_key, key = jax.random.split(jax.random.key(seed), 3)
            problem = quadratic(problem_key, even, basis, DIMENSION)
            start = problem.start(start_key)
            losses = np.asarray(descend(problem, start, key, kept, repetitions))
            for method, values in zip(METHODS, np.moveaxis(losses, -1, 0), strict=True):
                name = f"{basis}/{method}"
                error = values.std(axis=1, ddof=1) / np.sqrt(repetitions)
                result[f"{name}/mean"] = values.mean(axis=1).tolist()
                result[f"{name}/error"] = error.tolist()
                slopes = slope(kept, values)
                result[f"{name}/slope"], result[f"{name}/slope_error"] = slopes
            first = float(losses[0, 0, 0])
            result[f"{basis}/bound"] = bound(problem, first, kept).tolist()
            result[f"{basis}/floor"] = floor(problem)
    return result


def kept_steps(steps: int) -> np.ndarray:
    """0, and about `POINTS_PER_DECADE` in each decade up to the last one."""
    points = round(POINTS_PER_DECADE * np.log10(steps)) + 1
    spread = np.round(np.geomspace(1, steps, points)).astype(int)
    return np.unique(np.concatenate([[0], spread]))


def descend(
    problem: Quadratic,
    start: jax.Array,
    key: jax.Array,
    kept: np.ndarray,
    repetitions: int,
) -> jax.Array:
    """Losses of both methods: shape (kept steps, repetitions, methods).

    Args:
      problem: what they minimise, at a step size of 1/L.
      start: shape (d,).
      key: of the noise.
      kept: the steps before which the loss is kept, ascending from 0.
      repetitions: of the noise.
    """
    hessian, deviation = problem.hessian, problem.deviation(NOISE)
    mixing = NOISE * (problem.basis * problem.eigenvalues).T
    sgd = optax.sgd(1 / jnp.max(problem.eigenvalues))

    def move(step, points):
        draw = jax.random.normal(
            jax.random.fold_in(key, step), (repetitions, len(hessian))
        )
        gradients = points @ hessian
        noisy = gradients + draw @ mixing
        # Without a gradient η is infinite and the factor 0.
        factor = theory.magnitude_factor(deviation / jnp.abs(gradients[0]))
        directions = noisy.at[0].multiply(factor)
        updates, _ = sgd.update(directions, sgd.init(points))
        return optax.apply_updates(points, updates)

    def between(points, ends):
        losses = jnp.sum(points @ hessian * points, axis=-1) / 2
        return jax.lax.fori_loop(ends[0], ends[1], move, points), losses.T

    begins = jnp.asarray(kept)
    ends = jnp.append(begins[1:], begins[-1])
    shape = (len(METHODS), repetitions, len(hessian))
    run = jax.jit(lambda points: jax.lax.scan(between, points, (begins, ends))[1])
    return run(jnp.broadcast_to(start, shape))


def slope(kept: np.ndarray, losses: np.ndarray) -> tuple[float, float]:
    """The slope of log mean loss over log steps, and its jackknife standard error.

    Args:
      kept: steps, of which those of the last decades count.
      losses: shape (kept steps, repetitions).
    """
    late = kept >= kept[-1] / 10**DECADES
    steps = np.log(kept[late])
    weights = (steps - steps.mean()) / np.sum((steps - steps.mean()) ** 2)
    total, count = losses[late].sum(axis=1, keepdims=True), losses.shape[1]
    whole = float(weights @ np.log(total[:, 0] / count))
    # Means of all repetitions but one: the logarithm of a mean is no mean.
    partial = weights @ np.log((total - losses[late]) / (count - 1))
    return whole, float(np.sqrt((count - 1) * np.var(partial)))


def bound(problem: Quadratic, first: float, steps: np.ndarray) -> np.ndarray:
    """What the theorem's proof says the expected loss cannot exceed.

    Args:
      problem: with noise `NOISE`.
      first: the loss at the start, e₀.
      steps: t.
    """
    eigenvalues = np.asarray(problem.eigenvalues)
    least, largest = eigenvalues.min(), eigenvalues.max()
    spread = 2 * largest**2 / least * first + NOISE**2 * np.sum(eigenvalues**2)
    return 1 / (1 / first + 2 * least**2 / largest / spread * steps)


def floor(problem: Quadratic) -> float:
    """Where the expected loss of SGD stays: its stationary variance, mode by mode."""
    eigenvalues = np.asarray(problem.eigenvalues)
    damped = eigenvalues / eigenvalues.max()
    return float(np.sum(eigenvalues * NOISE**2 * damped / (2 - damped)) / 2)


def figure(evidence: Evidence) -> Figure:
    """The loss above its minimum against the steps, both on log scales."""
    table = evidence.table
    steps, width = table["steps"][1:], table["confidence_factor"]
    with figures.figure(
        9.0,
        4.0,
        "Dissecting Adam, section 3.2: SVAG with exact factors",
        "A constant step size of 1/L; mean and its 95 % interval over repetitions of "
        "the noise; slopes over the last two decades.",
    ) as drawing:
        panels = drawing.subplots(1, len(BASES), sharex=True, sharey=True)
        for basis, axes in zip(BASES, panels, strict=True):
            for method, label in METHODS.items():
                mean, error, slope = (
                    np.asarray(table[f"{basis}/{method}/{what}"])
                    for what in ("mean", "error", "slope")
                )
                label = f"{label}: slope {slope:.3f}"
                # Step 0 has no place on a log scale.
                mean, spread = mean[1:], width * error[1:]
                figures.band(axes, steps, mean, mean - spread, mean + spread, label)
            axes.plot(steps, table[f"{basis}/bound"][1:], label="the theorem's bound")
            color, linestyle = STYLES[4]
            stalled = {"color": color, "linestyle": linestyle}
            axes.axhline(table[f"{basis}/floor"], **stalled, label="where SGD stalls")
            axes.set(
                title=f"{basis} basis",
                xlabel="step t",
                xscale="log",
                yscale="log",
                xlim=(1, steps[-1]),
            )
            axes.legend(handlelength=4, fontsize=8)
        panels[0].set_ylabel("expected loss above the minimum")
    return drawing


def _slopes(table: Table) -> Mapping[str, Interval]:
    width = table["confidence_factor"]
    return {
        f"{method.upper()}, {basis}": Interval(
            table[f"{basis}/{method}/slope"],
            width * table[f"{basis}/{method}/slope_error"],
        )
        for basis in BASES
        for method in METHODS
    }


def _over_bound(evidence: Evidence) -> float:
    # At the start both agree.
    losses, bounds = (
        np.array([evidence.table[f"{basis}/{name}"][1:] for basis in BASES])
        for name in ("svag/mean", "bound")
    )
    return np.max(losses / bounds)


THEOREM = Claim(
    id="da-thm",
    source="Dissecting Adam, section 3.2",
    statement="SVAG with exact factors converges at O(1/t) with a constant step size; "
    "SGD stalls.",
    protocol="a strongly convex stochastic quadratic of 10 dimensions, noise that does "
    "not vanish at the minimum, a step size of 1/L, 20,000 steps, 200 repetitions",
    trial=Calculation(
        quantity="slope of log loss over log t, last two decades",
        table=table,
        values=_slopes,
    ),
    published={"SVAG, aligned": -1.0, "SVAG, rotated": -1.0},
    tolerance=0.1,
    rule=(
        rules.at_most(
            "SVAG: slopes of -0.9 or less",
            lambda e: np.max([e.values[f"SVAG, {basis}"].mean for basis in BASES]),
            -0.9,
        ),
        rules.at_most(
            "SVAG: the loss over the theorem's bound, at most 1 at each step kept",
            _over_bound,
            1.0,
        ),
        rules.at_least(
            "SGD: slopes of -0.1 or more",
            lambda e: np.min([e.values[f"SGD, {basis}"].mean for basis in BASES]),
            -0.1,
        ),
    ),
    figure=Drawing(name="figure-theorem", draw=figure),
)
