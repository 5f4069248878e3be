"""Figure 2 of the AdaRem paper: the oscillation index Q, on the narrow ResNet-8."""

import numpy as np

from experiments.claims.claim import Claim, Quantity, Training
from experiments.claims.figures import Panel
from experiments.claims.rules import (
    FINAL_LOSS,
    LEARNING_RATE,
    TEST_ACCURACY,
    surely_below,
)
from experiments.studies.adarem.resnets import (
    ADAM,
    ADAREM,
    DECAYS,
    GLOBAL,
    LOSS_PANEL,
    NARROW,
    PER_EPOCH,
    SGD,
    SGDM,
    adarem,
    drawing,
    protocol_of,
    tuned,
)

SEEDS = tuple(range(10))
METHODS = {"SGD": SGD, "SGDM": SGDM, "Adam": ADAM, "AdaRem": ADAREM}
PROTOCOL = protocol_of(
    "8, 16, 32",
    "ten other seeds, three of which had been seen when the others were added",
)

OSCILLATION = Quantity(
    name="Q, mean of the windows",
    of=lambda summary: float(np.mean(summary.evaluations["oscillation"])),
    digits=1,
)
LEFT_OUT = Quantity(
    name="weights left out, most of a window",
    of=lambda summary: float(np.max(summary.evaluations["unmoved"])),
    digits=0,
)

Q_PANEL = Panel(metric="oscillation", label="Q in the last 234 steps", limits=(0, 200))

Q = Claim(
    id="ar-q",
    source="AdaRem, Figure 2",
    statement="The oscillation index Q of AdaRem is below that of Adam, Adam's below "
    "that of SGD with momentum, and that below SGD's.",
    protocol=f"{PROTOCOL}; {DECAYS}; Q in windows of half an epoch, over all weights "
    "that end a window elsewhere than they began it; AdaRem with the largest average "
    "of each tensor and, at the same rate, of all. In a mean of such ratios a few "
    "weights that nearly came back weigh much",
    trial=Training(
        tuned={
            **{
                label: tuned(NARROW, start, seeds=SEEDS)
                for label, start in METHODS.items()
            },
            "AdaRem, global": tuned(
                NARROW, ADAREM, adarem(PER_EPOCH, GLOBAL), seeds=SEEDS
            ),
        },
        quantity=OSCILLATION,
        also=(LEFT_OUT, FINAL_LOSS, TEST_ACCURACY, LEARNING_RATE),
    ),
    rule=(
        surely_below("AdaRem", "Adam", OSCILLATION),
        surely_below("Adam", "SGDM", OSCILLATION),
        surely_below("SGDM", "SGD", OSCILLATION),
    ),
    figure=drawing("figure-2", "AdaRem, Figure 2: oscillation", Q_PANEL, LOSS_PANEL),
)
