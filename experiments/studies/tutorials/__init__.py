"""Two tutorials on momentum, RMSProp and Adam: what they say and what they show.

Tutorial A is a series in three parts; Tutorial B begins with the ravine.
"""

from experiments.claims.claim import Study
from experiments.studies.tutorials import (
    adaptive,
    adaptive_maps,
    hill,
    minima,
    momentum,
    newton,
    ravine,
    update_maps,
    worked_numbers,
)

STUDY = Study(
    name="tutorials",
    title="Two tutorials: Introduction to neural network optimizers, and Intro to "
    "optimization in deep learning",
    claims=(
        worked_numbers.NUMBERS,
        momentum.PATHS,
        momentum.SPEED,
        adaptive.ADAPTIVE,
        update_maps.MOMENTUM,
        adaptive_maps.ADAPTIVE,
        adaptive_maps.ADAM,
        hill.MOMENTS,
        adaptive.ADAM,
        ravine.RAVINE,
        newton.NEWTON,
        minima.MINIMA,
        minima.FLATNESS,
    ),
)
