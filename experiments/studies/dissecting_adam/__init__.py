"""Dissecting Adam: L. Balles and P. Hennig, ICML 2018, arXiv 1705.07774.

What is computed, what is trained on problem 1, and problems 2 to 4, a module each.
"""

from experiments.claims.claim import Study
from experiments.studies.dissecting_adam import (
    dissecting_adam_exact,
    problem_1,
    problems_2_to_4,
)

STUDY = Study(
    name="dissecting_adam",
    title="Dissecting Adam: The Sign, Magnitude and Variance of Stochastic Gradients",
    claims=(
        *dissecting_adam_exact.CLAIMS,
        *problem_1.CLAIMS,
        *problems_2_to_4.CLAIMS,
    ),
)
