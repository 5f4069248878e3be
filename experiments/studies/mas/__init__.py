"""MaS: P.-X. Jiang, *A Fast Optimizer with Momentum and Sign*.

Its claims at the learning rates that it gives, and with each optimizer's best.
"""

from experiments.claims.claim import Study
from experiments.studies.mas import published, tuned

STUDY = Study(
    name="mas",
    title="A Fast Optimizer with Momentum and Sign",
    claims=(
        published.FIGURE_1,
        tuned.FIGURE_1,
        published.FIGURE_2,
        tuned.FIGURE_2,
        published.FIGURE_3,
        tuned.FIGURE_3,
        published.HALF_THE_STATE,
    ),
)
