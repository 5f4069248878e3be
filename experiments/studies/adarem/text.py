"""Table 3 of the AdaRem paper: an LSTM, on the text at hand.

The paper trains the word model of Merity et al. on the Penn Treebank, which is not free
to have. Here it is the character model of *Dissecting Adam*, problem 4, on *War and
Peace*, with the paper's schedule: a tenth of the rate after half of the steps.
"""

import numpy as np

from experiments.claims import rate_search, rules
from experiments.claims.claim import Claim, Quantity, Training
from experiments.claims.rate_search import SEARCH_SEED, Search
from experiments.claims.rules import LEARNING_RATE
from experiments.runs.config import Optimizer, Run, Schedule

STEPS = 4000

PERPLEXITY = Quantity(
    name="test perplexity at the end, a character",
    of=lambda summary: float(np.exp(summary.evaluations["test_loss"][-1])),
)


def _tuned(name: str, rate: float, *options) -> Search:
    """What is searched from this rate on."""
    base = Run(
        dataset="war_and_peace",
        model="char_lstm",
        optimizer=Optimizer(
            name=name,
            learning_rate=rate,
            options=options,
            schedule=Schedule(name="step", boundaries=(0.5,), factor=0.1),
        ),
        batch_size=50,
        steps=STEPS,
        shuffle=False,
        eval_every=500,
        seed=SEARCH_SEED,
    )
    return Search(base=base, strategy=rate_search.uphill, seeds=(0, 1, 2))


TABLE_3 = Claim(
    id="ar-3",
    source="AdaRem, Table 3",
    statement="In perplexity of an LSTM AdaRem is ahead of Adam, and Adam of SGD with "
    "momentum.",
    protocol="two-layer character LSTM of 128 units on War and Peace, batch 50 of 50 "
    "characters, 4,000 steps, a tenth of the rate after half of them; "
    f"{rate_search.CLIMB}; three other seeds; λ = 0.999 a hundred times, as over 100 "
    "epochs; gradients are not clipped. The paper: a word model on the Penn Treebank, "
    "which was not tried, perplexities SGDM 71.56, Adam 70.16, AdaRem 69.13",
    trial=Training(
        tuned={
            "SGDM": _tuned("momentum", 1.0),
            "Adam": _tuned("adam", 0.003),
            "AdaRem": _tuned("adarem", 10.0, ("decay_every", STEPS // 100)),
        },
        quantity=PERPLEXITY,
        also=(LEARNING_RATE,),
    ),
    rule=(
        rules.surely_below("AdaRem", "Adam", PERPLEXITY),
        rules.surely_below("Adam", "SGDM", PERPLEXITY),
    ),
    costly="compute: some 25 runs of 4,000 steps of an LSTM, and a text for --data-dir",
)
