"""Dissecting Adam: L. Balles and P. Hennig, ICML 2018, arXiv 1705.07774.

What is computed, a module a topic, what is trained on problem 1, and problems 2 to 4.
"""

from experiments.claims.claim import Study
from experiments.studies.dissecting_adam import (
    best_factors,
    diagonal_dominance,
    exact_svag,
    misleading_signs,
    problem_1,
    problems_2_to_4,
    sign_on_quadratics,
)

STUDY = Study(
    name="dissecting_adam",
    title="Dissecting Adam: The Sign, Magnitude and Variance of Stochastic Gradients",
    claims=(
        sign_on_quadratics.QUADRATICS,
        best_factors.FACTORS,
        best_factors.LEMMA_1,
        exact_svag.THEOREM,
        misleading_signs.LEMMA_2,
        diagonal_dominance.DOMINANCE,
        *problem_1.CLAIMS,
        *problems_2_to_4.CLAIMS,
    ),
)
