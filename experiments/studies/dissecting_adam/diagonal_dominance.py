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

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims.claim import (
    Calculation,
    Claim,
    Condition,
    Table,
)
from experiments.claims.intervals import Interval
from experiments.studies.dissecting_adam.stochastic_quadratics import (
    SPECTRA,
    Quadratic,
)
from optax_sign import theory

DIMENSIONS = (10, 30, 100)
REPETITIONS = 100


def rank_one(key: jax.Array, dimension: int) -> jax.Array:
    """One eigenvalue of 1, all others 0; ``key`` is not used."""
    del key
    return jnp.zeros(dimension).at[0].set(1.0)


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
    spectra = {**SPECTRA, "rank one": rank_one}
    rows: dict[str, list[float]] = {"dimension": [float(d) for d in dimensions]}
    with jax.enable_x64(True):
        for dimension in dimensions:

            def once(key, dimension=dimension):
                spectrum_key, basis_key = jax.random.split(key)
                basis = jax.random.orthogonal(basis_key, dimension)
                shares = []
                for spectrum in spectra.values():
                    problem = Quadratic(spectrum(spectrum_key, dimension), basis)
                    shares.append((theory.p_diag(problem.hessian), bound(problem)))
                return jnp.array(shares)

            keys = jax.random.split(jax.random.key(seed), repetitions)
            # Axes: spectrum, repetition.
            run = jax.jit(lambda k, f=once: jax.lax.map(f, k))
            shares, bounds = np.transpose(run(keys), (2, 1, 0))
            for name, share, least in zip(spectra, shares, bounds, strict=True):
                error = np.std(share, ddof=1) / np.sqrt(repetitions)
                for what, value in (
                    ("mean", dimension * np.mean(share)),
                    ("error", dimension * error),
                    ("bound", dimension * np.mean(least)),
                    ("least", np.min(share / least)),
                ):
                    rows.setdefault(f"{name}/{what}", []).append(float(value))
    return {**rows}


def bound(problem: Quadratic) -> jax.Array:
    """The least that p_diag can be with these eigenvectors, by appendix B.2."""
    norms = jnp.sum(jnp.abs(problem.basis), axis=0)
    return jnp.sum(problem.eigenvalues) / (problem.eigenvalues @ norms**2)


STEEP = "ill-conditioned"
P_DIAG = 1.57


def _dominance(table: Any) -> Mapping[str, Interval]:
    """At the largest dimension: twice the standard error is the interval."""
    return {
        name: Interval(table[f"{name}/mean"][-1], 2 * table[f"{name}/error"][-1])
        for name in ("mild", STEEP, "rank one")
    }


DOMINANCE = Claim(
    id="da-p",
    source="Dissecting Adam, section 2.1",
    statement="Averaged over random rotations, p_diag is about 1.57/d.",
    protocol="p_diag times d for 100 Haar rotations of the spectra of Figure 2 and of "
    "a matrix of rank one, in 100 dimensions",
    trial=Calculation(
        quantity="d p_diag",
        table=table,
        values=_dominance,
        digits=2,
    ),
    published={"mild": P_DIAG, STEEP: P_DIAG, "rank one": P_DIAG},
    tolerance=0.1 * P_DIAG,
    rule=tuple(
        Condition(
            text=f"{name}: within a tenth of {P_DIAG:g}",
            measure=lambda e, name=name: e.values[name].mean,
            least=0.9 * P_DIAG,
            greatest=1.1 * P_DIAG,
        )
        for name in ("mild", STEEP, "rank one")
    ),
)
