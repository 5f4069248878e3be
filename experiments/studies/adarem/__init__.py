"""AdaRem: *Adaptive Gradient Method with Resilience and Momentum*, arXiv 2010.11041.

What is computed, what is trained on images and on text, Q, and hyperball, a module a
topic.
"""

from experiments.claims.claim import Study
from experiments.studies.adarem import (
    bounds,
    hyperball,
    oscillation,
    regret,
    resnets,
    sphere,
    text,
    weight_paths,
)

STUDY = Study(
    name="adarem",
    title="Adaptive Gradient Method with Resilience and Momentum",
    claims=(
        weight_paths.PATHS,
        sphere.SPHERE,
        oscillation.Q,
        *resnets.CLAIMS,
        bounds.BOUNDS,
        regret.REGRET,
        text.TABLE_3,
        *hyperball.CLAIMS,
    ),
)
