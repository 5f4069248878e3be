"""The claims of the MaS paper when every optimizer has its best learning rate.

The paper compares a tuned MaS with rivals at their defaults. Here all of them go
through the same search, for the lowest smoothed training loss at the end, with a seed
of its own; then they run from other seeds, reshuffled in every epoch, and are compared
seed by seed.
"""

import dataclasses
from collections.abc import Mapping

from experiments.claims import rate_search, rules
from experiments.claims.claim import Claim, Drawing, Training
from experiments.claims.rate_search import SEARCH_SEED, Search
from experiments.claims.rules import FINAL_LOSS, LEARNING_RATE, TEST_ACCURACY
from experiments.runs.config import Optimizer, Run
from experiments.studies.mas import published

# Where the searches start; they go up from there as long as training is stable.
FIRST = {"Adam": 1e-3, "MaS": 3e-4, "SGD": 0.1, "Adagrad": 0.01}


def _trial(
    model: str,
    optimizers: Mapping[str, Optimizer],
    first: Mapping[str, float],
    seeds: int,
) -> Training:
    tuned = {}
    for label, optimizer in optimizers.items():
        base = Run(
            model=model,
            optimizer=dataclasses.replace(optimizer, learning_rate=first[label]),
            epochs=5,
            eval_every=published.STEPS_PER_EPOCH,
            seed=SEARCH_SEED,
        )
        tuned[label] = Search(base=base, seeds=tuple(range(seeds)))
    return Training(
        tuned=tuned,
        quantity=FINAL_LOSS,
        also=(TEST_ACCURACY, LEARNING_RATE),
    )


def _drawing(
    number: int, title: str, network: str, limits: tuple[float, float]
) -> Drawing:
    return published.drawing(
        f"figure-{number}-tuned",
        f"Figure {number}: {title}, every learning rate tuned",
        f"{network}, batch 64, 5 epochs, reshuffled.",
        limits,
    )


FIGURE_1 = Claim(
    id="mas-1-tuned",
    source="MaS, Figure 1, all tuned",
    statement="On an MLP, MaS is as fast as Adam when every optimizer has its best "
    "learning rate; both are ahead of SGD and Adagrad.",
    protocol=f"as mas-1, but reshuffled; {rate_search.DESCENT}; ten other seeds",
    trial=_trial("mlp", published.RIVALS, FIRST, seeds=10),
    rule=published.as_fast_as_adam(0.0),
    figure=_drawing(1, "an MLP", "784-128-64-10", (0.25, 0.6)),
)

FIGURE_2 = Claim(
    id="mas-2-tuned",
    source="MaS, Figure 2, all tuned",
    statement="On a CNN, MaS is as fast as Adam when every optimizer has its best "
    "learning rate; both are ahead of SGD and Adagrad.",
    protocol=f"as mas-2, but reshuffled; {rate_search.DESCENT}; three other seeds",
    trial=_trial("mas_cnn", published.RIVALS, FIRST, seeds=3),
    rule=published.as_fast_as_adam(0.0),
    figure=_drawing(2, "a CNN", "Two convolutions", (0.0, 0.6)),
)

FIGURE_3 = Claim(
    id="mas-3-tuned",
    source="MaS, Figure 3, all tuned",
    statement="A moderate decay factor of 0.5 is best when each has its best "
    "learning rate.",
    protocol=f"as mas-3, but reshuffled; {rate_search.DESCENT}; ten other seeds",
    trial=_trial(
        "mlp", published.DECAYS, dict.fromkeys(published.DECAYS, 1e-4), seeds=10
    ),
    rule=(
        rules.surely_below("decay 0.5", "decay 0.001", FINAL_LOSS),
        rules.surely_below("decay 0.5", "decay 0.999", FINAL_LOSS),
    ),
    figure=_drawing(3, "the decay factor", "784-128-64-10", (0.3, 0.8)),
)
