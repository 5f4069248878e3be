r"""How dominant the diagonal of a randomly rotated matrix is.

*Dissecting Adam*, section 2.1: on average over random orientations
:math:`p_{\mathrm{diag}}(Q) \approx 1.57 / d`. Appendix B.2 takes the number from the
bound

.. math::
  p_{\mathrm{diag}}(Q) \ge \sum_k \lambda_k \Big/ \sum_k \lambda_k \|v_k\|_1^2

with the norms of typical eigenvectors, :math:`\|v\|_1^2 \approx 2 d / \pi`. The bound
is attained by a matrix of rank one, which is therefore a third spectrum here; where
many eigenvectors share the curvature their off-diagonal products cancel.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims import rules
from experiments.claims.claim import Calculation, Claim, Table
from experiments.claims.intervals import Interval
from experiments.studies.dissecting_adam.stochastic_quadratics import SPECTRA, Quadratic
from optax_sign import theory

DIMENSIONS = (10, 30, 100)
REPETITIONS = 100
P_DIAG = 1.57  # times d, as the paper has it
KINDS = {**SPECTRA, "rank one": lambda _, dimension: jnp.eye(dimension)[0]}


def table(
    seed: int = 0,
    *,
    dimensions: tuple[int, ...] = DIMENSIONS,
    repetitions: int = REPETITIONS,
) -> Table:
    """D times p_diag over Haar rotations.

    Args:
      seed: of the rotations, which the spectra share, and of the spectra.
      dimensions: d.
      repetitions: rotations, and spectra, for each of them.

    Returns:
      "dimension"; and by spectrum, for each dimension: "/mean" of d p_diag, "/error",
      its standard error, "/bound", the mean of d times the paper's bound, and "/least",
      the smallest quotient of p_diag and the bound.
    """
    rows = {"dimension": [float(d) for d in dimensions]}
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), repetitions)
        for dimension in dimensions:
            # Axes: spectrum, repetition.
            shares, bounds = np.transpose(_dominance(keys, dimension), (2, 1, 0))
            for name, share, least in zip(KINDS, shares, bounds, strict=True):
                error = np.std(share, ddof=1) / np.sqrt(repetitions)
                for what, value in (
                    ("mean", dimension * np.mean(share)),
                    ("error", dimension * error),
                    ("bound", dimension * np.mean(least)),
                    ("least", np.min(share / least)),
                ):
                    rows.setdefault(f"{name}/{what}", []).append(float(value))
    return rows


@functools.partial(jax.jit, static_argnums=1)
def _dominance(keys: jax.Array, dimension: int) -> jax.Array:
    """p_diag and its bound: shape (repetitions, spectra, 2)."""

    def once(key):
        spectrum_key, basis_key = jax.random.split(key)
        basis = jax.random.orthogonal(basis_key, dimension)
        spectra = [kind(spectrum_key, dimension) for kind in KINDS.values()]
        problems = [Quadratic(spectrum, basis) for spectrum in spectra]
        return jnp.array([(theory.p_diag(p.hessian), bound(p)) for p in problems])

    return jax.lax.map(once, keys)


def bound(problem: Quadratic) -> jax.Array:
    """The least that p_diag can be with these eigenvectors, by appendix B.2."""
    norms = jnp.sum(jnp.abs(problem.basis), axis=0)
    return jnp.sum(problem.eigenvalues) / (problem.eigenvalues @ norms**2)


DOMINANCE = Claim(
    id="da-p",
    source="Dissecting Adam, section 2.1",
    statement="Averaged over random rotations, p_diag is about 1.57/d.",
    protocol="p_diag times d for 100 Haar rotations of the spectra of Figure 2 and of "
    "a matrix of rank one, in 100 dimensions",
    trial=Calculation(
        quantity="d p_diag",
        table=table,
        # At the largest dimension: twice the standard error is the interval.
        values=lambda t: {
            name: Interval(t[f"{name}/mean"][-1], 2 * t[f"{name}/error"][-1])
            for name in KINDS
        },
        digits=2,
    ),
    published=dict.fromkeys(KINDS, P_DIAG),
    tolerance=0.1 * P_DIAG,
    rule=tuple(
        rules.between(
            f"{name}: within a tenth of {P_DIAG:g}",
            lambda e, name=name: e.values[name].mean,
            0.9 * P_DIAG,
            1.1 * P_DIAG,
        )
        for name in KINDS
    ),
)
