"""The claims of the MaS paper when every optimizer has its best learning rate.

The paper compares a tuned MaS with rivals at their defaults. Here all of them go
through the same search, for the lowest smoothed training loss at the end,
with a seed of its own; then they run from other seeds, reshuffled in every epoch, and
are compared seed by seed.
"""

import dataclasses
from collections.abc import Mapping

from experiments.claims import figures, rate_search
from experiments.claims.claim import Claim, Drawing, Training, Tuned
from experiments.claims.figures import Frame
from experiments.claims.rate_search import SEARCH_SEED, Search
from experiments.claims.rules import (
    FINAL_LOSS,
    LEARNING_RATE,
    TEST_ACCURACY,
    surely_below,
)
from experiments.runs.config import Optimizer, Run
from experiments.studies.mas.published import DECAYS, RIVALS, as_fast_as_adam

# Where the searches start; they go up from there as long as training is stable.
FIRST = {"Adam": 1e-3, "MaS": 3e-4, "SGD": 0.1, "Adagrad": 0.01}


def _trial(
    model: str,
    optimizers: Mapping[str, Optimizer],
    first: Mapping[str, float],
    seeds: int,
) -> Training:
    return Training(
        tuned={
            label: Tuned(
                search=Search(
                    base=_run(model, optimizer, first[label]),
                    score=rate_search.lowest_final_loss,
                ),
                seeds=tuple(range(seeds)),
            )
            for label, optimizer in optimizers.items()
        },
        quantity=FINAL_LOSS,
        also=(TEST_ACCURACY, LEARNING_RATE),
    )


def _run(model: str, optimizer: Optimizer, rate: float) -> Run:
    return Run(
        model=model,
        optimizer=dataclasses.replace(optimizer, learning_rate=rate),
        epochs=5,
        eval_every=937,
        seed=SEARCH_SEED,
    )


def _drawing(
    name: str, title: str, network: str, limits: tuple[float, float]
) -> Drawing:
    frame = Frame(
        title=f"MaS, {title}, every learning rate tuned",
        caption=f"{network}, batch 64, 5 epochs, reshuffled.",
        limits=limits,
    )
    return Drawing(name=name, draw=lambda e: figures.losses(frame, e.runs, {}))


FIGURE_1 = Claim(
    id="mas-1-tuned",
    source="MaS, Figure 1, all tuned",
    statement="On an MLP, MaS is as fast as Adam when every optimizer has its best "
    "learning rate; both are ahead of SGD and Adagrad.",
    protocol=f"as mas-1, but reshuffled; {rate_search.DESCENT}; ten other seeds",
    trial=_trial("mlp", RIVALS, FIRST, seeds=10),
    rule=as_fast_as_adam(0.0),
    figure=_drawing("figure-1-tuned", "Figure 1: an MLP", "784-128-64-10", (0.25, 0.6)),
)


FIGURE_2 = Claim(
    id="mas-2-tuned",
    source="MaS, Figure 2, all tuned",
    statement="On a CNN, MaS is as fast as Adam when every optimizer has its best "
    "learning rate; both are ahead of SGD and Adagrad.",
    protocol=f"as mas-2, but reshuffled; {rate_search.DESCENT}; three other seeds",
    trial=_trial("mas_cnn", RIVALS, FIRST, seeds=3),
    rule=as_fast_as_adam(0.0),
    figure=_drawing(
        "figure-2-tuned", "Figure 2: a CNN", "Two convolutions", (0.0, 0.6)
    ),
)


FIGURE_3 = Claim(
    id="mas-3-tuned",
    source="MaS, Figure 3, all tuned",
    statement="A moderate decay factor of 0.5 is best when each has its best "
    "learning rate.",
    protocol=f"as mas-3, but reshuffled; {rate_search.DESCENT}; ten other seeds",
    trial=_trial("mlp", DECAYS, dict.fromkeys(DECAYS, 1e-4), seeds=10),
    rule=(
        surely_below("decay 0.5", "decay 0.001", FINAL_LOSS),
        surely_below("decay 0.5", "decay 0.999", FINAL_LOSS),
    ),
    figure=_drawing(
        "figure-3-tuned", "Figure 3: the decay factor", "784-128-64-10", (0.3, 0.8)
    ),
)
