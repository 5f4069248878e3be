"""AdaRem: *Adaptive Gradient Method with Resilience and Momentum*, arXiv 2010.11041.

What is computed, what is trained on images and on text, Q, and hyperball, a module
each.
"""

from experiments.claims.claim import Study
from experiments.studies.adarem import (
    adarem_exact,
    adarem_walks,
    hyperball,
    oscillation,
    resnets,
    text,
)

STUDY = Study(
    name="adarem",
    title="Adaptive Gradient Method with Resilience and Momentum",
    claims=(
        *adarem_walks.CLAIMS,
        *oscillation.CLAIMS,
        *resnets.CLAIMS,
        *adarem_exact.CLAIMS,
        *text.CLAIMS,
        *hyperball.CLAIMS,
    ),
)
