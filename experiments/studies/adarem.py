"""AdaRem: *Adaptive Gradient Method with Resilience and Momentum*, arXiv 2010.11041.

What is computed, what is trained on images and on text, Q, and hyperball, a module
each.
"""

from experiments.claims import Study
from experiments.studies import (
    adarem_exact,
    adarem_hyperball,
    adarem_networks,
    adarem_oscillation,
    adarem_text,
    adarem_walks,
)

STUDY = Study(
    name="adarem",
    title="Adaptive Gradient Method with Resilience and Momentum",
    claims=(
        *adarem_walks.CLAIMS,
        *adarem_oscillation.CLAIMS,
        *adarem_networks.CLAIMS,
        *adarem_exact.CLAIMS,
        *adarem_text.CLAIMS,
        *adarem_hyperball.CLAIMS,
    ),
)
