"""Figure 2 of the AdaRem paper: the oscillation index Q, on the narrow ResNet-8."""

import numpy as np

from experiments.claims import rules
from experiments.claims.claim import Claim, Quantity, Training
from experiments.claims.figures import Panel
from experiments.claims.rules import FINAL_LOSS, LEARNING_RATE, TEST_ACCURACY
from experiments.studies.adarem import resnets

SEEDS = tuple(range(10))
METHODS = {
    "SGD": resnets.SGD,
    "SGDM": resnets.SGDM,
    "Adam": resnets.ADAM,
    "AdaRem": resnets.ADAREM,
}
PROTOCOL = resnets.protocol_of(
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
    protocol=f"{PROTOCOL}; {resnets.DECAYS}; Q in windows of half an epoch, over all "
    "weights that end a window elsewhere than they began it; AdaRem with the largest "
    "average of each tensor and, at the same rate, of all. In a mean of such ratios a "
    "few weights that nearly came back weigh much",
    trial=Training(
        tuned={
            **{
                label: resnets.tuned(resnets.NARROW, start, seeds=SEEDS)
                for label, start in METHODS.items()
            },
            "AdaRem, global": resnets.tuned(
                resnets.NARROW,
                resnets.ADAREM,
                resnets.adarem(resnets.PER_EPOCH, resnets.GLOBAL),
                seeds=SEEDS,
            ),
        },
        quantity=OSCILLATION,
        also=(LEFT_OUT, FINAL_LOSS, TEST_ACCURACY, LEARNING_RATE),
    ),
    rule=(
        rules.surely_below("AdaRem", "Adam", OSCILLATION),
        rules.surely_below("Adam", "SGDM", OSCILLATION),
        rules.surely_below("SGDM", "SGD", OSCILLATION),
    ),
    figure=resnets.drawing(
        "figure-2", "AdaRem, Figure 2: oscillation", Q_PANEL, resnets.LOSS_PANEL
    ),
)
