"""Two tutorials on momentum, RMSProp and Adam: what they say and what they show.

Tutorial A is a series in three parts: its numbers, the trajectories of parts 1 and 2,
the maps of all parts, and part 3 have a module each, as has Tutorial B.
"""

from experiments.claims.claim import Study
from experiments.studies.tutorials import (
    tutorials_adam,
    tutorials_maps,
    tutorials_numbers,
    tutorials_ravine,
    tutorials_steps,
)

STUDY = Study(
    name="tutorials",
    title="Two tutorials: Introduction to neural network optimizers, and Intro to "
    "optimization in deep learning",
    claims=(
        *tutorials_numbers.CLAIMS,
        *tutorials_steps.CLAIMS,
        *tutorials_maps.CLAIMS,
        *tutorials_adam.CLAIMS,
        *tutorials_ravine.CLAIMS,
    ),
)
