"""Dissecting Adam: L. Balles and P. Hennig, ICML 2018, arXiv 1705.07774.

What is computed, what is trained on problem 1, and problems 2 to 4, a module each.
"""

from experiments.claims import Study
from experiments.studies import (
    dissecting_adam_exact,
    dissecting_adam_p1,
    dissecting_adam_rest,
)

STUDY = Study(
    name="dissecting_adam",
    title="Dissecting Adam: The Sign, Magnitude and Variance of Stochastic Gradients",
    claims=(
        *dissecting_adam_exact.CLAIMS,
        *dissecting_adam_p1.CLAIMS,
        *dissecting_adam_rest.CLAIMS,
    ),
)
