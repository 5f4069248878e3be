"""Problems 2 to 4 of *Dissecting Adam*, at the step sizes that it publishes.

Problem 4 is trained here for its first 20,000 of 200,000 steps, all of which lie before
the one decrease of its step size. Problems 2 and 3 are there for a larger machine:
`reproduce` trains them only when they are asked for by their ids.

For M-SGD and M-SVAG on problem 3 two published step sizes are set in bold, 3 and 0.03.
The larger one is taken: it is next to the steps that win on problem 4.
"""

import dataclasses
from collections.abc import Sequence

from experiments.claims import rules
from experiments.claims.claim import Claim, Drawing, Training
from experiments.runs.config import Run, Schedule
from experiments.studies.dissecting_adam import problem_1
from experiments.studies.dissecting_adam.problem_1 import TEST_ACCURACY, TRAIN_LOSS

SEEDS = (0, 1, 2)


def _training(
    rates: Sequence[float], seeds: Sequence[int], schedule: Schedule, **settings
) -> Training:
    """Runs at the published step sizes, which are in the order of `METHODS`."""
    runs = {}
    for (label, method), rate in zip(problem_1.METHODS.items(), rates, strict=True):
        optimizer = dataclasses.replace(method, learning_rate=rate, schedule=schedule)
        base = Run(optimizer=optimizer, eval_every=1000, **settings)
        runs[label] = tuple(dataclasses.replace(base, seed=seed) for seed in seeds)
    return Training(runs=runs, quantity=TRAIN_LOSS, also=(TEST_ACCURACY,))


def _drawing(
    number: int, task: str, losses: tuple[float, float], accuracies: tuple[float, float]
) -> Drawing:
    return problem_1.drawing(
        f"figure-5-p{number}",
        f"Figure 5: problem {number}",
        f"{task}, published step sizes.",
        losses,
        accuracies,
        losses,
    )


P2 = Claim(
    id="da-5c-p2",
    source="Dissecting Adam, Figure 5, P2",
    statement="On CIFAR-10, M-SGD and M-SVAG end with a lower training loss than ADAM "
    "and M-SSD.",
    protocol="CNN 64c5-96c3-128c3-512-256-10 on CIFAR-10, L2 0.002, augmented, batch "
    "128, 40,000 steps at the published constant step sizes, three seeds",
    trial=_training(
        (3e-2, 6e-4, 1e-4, 6e-2),
        SEEDS,
        Schedule(),
        dataset="cifar10",
        model="p2_cnn",
        batch_size=128,
        steps=40_000,
        augment=True,
        l2=0.002,
    ),
    rule=problem_1.losses_below(problem_1.WITHOUT_SIGN, problem_1.WITH_SIGN),
    figure=_drawing(2, "CIFAR-10, batch 128", (0.0, 1.5), (0.5, 1.0)),
    costly="compute: 12 runs of 40,000 steps on CIFAR-10",
)

P3 = Claim(
    id="da-5c-p3",
    source="Dissecting Adam, Figure 5, P3",
    statement="On CIFAR-100, ADAM and M-SSD have a lower training loss than M-SGD and "
    "M-SVAG, and M-SVAG than M-SGD; but the test accuracy of ADAM is below M-SGD's.",
    protocol="WRN-40-4 on CIFAR-100, L2 0.0005, augmented, batch 128, 80,000 steps at "
    "the published step sizes, times 0.2 after 24,000, 48,000 and 64,000, three seeds",
    trial=_training(
        (3.0, 3e-4, 1e-4, 3.0),
        SEEDS,
        Schedule(name="step", boundaries=(0.3, 0.6, 0.8), factor=0.2),
        dataset="cifar100",
        model="wrn_40_4",
        batch_size=128,
        steps=80_000,
        augment=True,
        l2=5e-4,
    ),
    rule=(
        *problem_1.losses_below(problem_1.WITH_SIGN, problem_1.WITHOUT_SIGN),
        rules.surely_below("M-SVAG", "M-SGD", TRAIN_LOSS),
        rules.surely_below("ADAM", "M-SGD", TEST_ACCURACY),
    ),
    figure=_drawing(3, "CIFAR-100, batch 128", (0.0, 4.0), (0.0, 1.0)),
    costly="compute: 12 runs of 80,000 steps of WRN-40-4 on CIFAR-100",
)

P4 = Claim(
    id="da-5c-p4",
    source="Dissecting Adam, Figure 5, P4",
    statement="After 20,000 steps of a character model of War and Peace the methods "
    "without signs, M-SGD and M-SVAG, are ahead, and M-SVAG is at least as good as "
    "M-SGD.",
    protocol="two-layer LSTM of 128 units, batch 50 of 50 characters, the published "
    "step sizes, the first tenth of 200,000 steps, all before the step is lowered; "
    "one seed of each, without an interval",
    trial=_training(
        (3.0, 3e-3, 1e-3, 10.0),
        SEEDS[:1],
        Schedule(),
        dataset="war_and_peace",
        model="char_lstm",
        batch_size=50,
        steps=20_000,
        shuffle=False,
    ),
    rule=(
        *(
            rules.below(other, sign)
            for other in problem_1.WITHOUT_SIGN
            for sign in problem_1.WITH_SIGN
        ),
        rules.below("M-SVAG", "M-SGD"),
    ),
    figure=_drawing(4, "War and Peace, batch 50", (1.0, 2.5), (0.4, 0.65)),
    costly="compute: 4 runs of 20,000 steps of an LSTM, and a text for --data-dir",
)

CLAIMS: tuple[Claim, ...] = (P2, P3, P4)
