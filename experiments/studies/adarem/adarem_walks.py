"""Walks of the AdaRem paper that are calculated: paths of weights, and the sphere.

The tables come from `experiments.exact`.
"""

from collections.abc import Mapping

import numpy as np

from experiments.claims.claim import Calculation, Claim, Condition, Drawing, Table
from experiments.claims.exact_claims import calculated, drawn, exactly
from experiments.claims.intervals import Interval

METHODS = ("SGD", "SGDM", "Adam", "AdaRem", "AdaRem, global")
EXACT = ("one sphere", "a sphere of radius 1 each")
SPOILT = "one sphere, 1e-5 in the variances"
QUANTITIES = ("direction", "loss", "prediction")
ROUND_OFF = 1e-8


PATHS = Claim(
    id="ar-1",
    source="AdaRem, Figures 1 and 2",
    statement="Single weights oscillate severely under SGD and still do under SGD with "
    "momentum; less under AdaRem.",
    protocol="ResNet-8 of 8, 16, 32 channels on Fashion-MNIST, batch 128, the first "
    "epoch at constant rates of 0.3 (SGD, AdaRem), 0.1 (SGDM) and 0.01 (Adam), no "
    "decay, λ not fading yet, one seed; severe is a path of more than twice the way "
    "gained, which turned out to be that of every method",
    trial=Calculation(
        quantity="Q of all weights over the epoch",
        table=calculated("adarem.weight_paths"),
        values=lambda t: {name: exactly(t[f"{name}/q"]) for name in METHODS},
        digits=1,
    ),
    rule=(
        *(
            Condition(
                text=f"{name}: above 2",
                measure=lambda e, name=name: e.values[name].mean,
                least=2.0,
            )
            for name in ("SGD", "SGDM")
        ),
        Condition(
            text="AdaRem less SGDM: below 0",
            measure=lambda e: e.values["AdaRem"].mean - e.values["SGDM"].mean,
            greatest=0.0,
        ),
    ),
    figure=Drawing(name="figure-1", draw=drawn("adarem.figures_walks", "weight_paths")),
)


def _largest(table: Table) -> Mapping[str, Interval]:
    return {
        f"{variant}: {quantity}": exactly(
            np.log10(np.max([*table[f"{variant}/{quantity}"], np.finfo(float).tiny]))
        )
        for variant in (*EXACT, SPOILT)
        for quantity in QUANTITIES
    }


SPHERE = Claim(
    id="ar-slr",
    source="AdaRem, section 3.4.1",
    statement="With the sphere learning rate the network on the sphere is, at every "
    "step, the network that SGD with weight decay reaches in flat space, where batch "
    "normalisation adds nothing to the variances.",
    protocol="ResNet-8 of 8, 16, 32 channels on Fashion-MNIST in float64, batch 32, "
    "120 steps, rate 0.1 falling to 0 as a cosine, weight decay 0.01; nothing added to "
    "the variances of batch normalisation, and 1e-5 beside it; directions of the "
    "weights that it follows, losses relative, logits of the batch; that it holds for "
    "nothing added was put into the statement later, the rule had said so",
    trial=Calculation(
        quantity="log10 of the largest difference of all steps",
        table=calculated("adarem.sphere"),
        values=_largest,
        digits=1,
    ),
    rule=tuple(
        Condition(
            text=f"{variant}, {quantity}: at most {ROUND_OFF:g}",
            measure=lambda e, name=f"{variant}/{quantity}": float(
                np.max(e.table[name])
            ),
            greatest=ROUND_OFF,
        )
        for variant in EXACT
        for quantity in QUANTITIES
    ),
    figure=Drawing(
        name="figure-sphere", draw=drawn("adarem.figures_walks", "sphere_equivalence")
    ),
)

CLAIMS: tuple[Claim, ...] = (PATHS, SPHERE)
