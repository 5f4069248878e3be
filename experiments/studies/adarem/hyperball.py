"""Hyperball: is a fixed norm of weights and updates worth it, and does its rate carry?

Adam's and MaS's directions, with and without it, on the networks and by the protocol of
`resnets`. What it promises is that the best rate is the same for all widths
(arXiv 2606.16899).
"""

from experiments.claims import rules
from experiments.claims.claim import Claim, Evidence, Training
from experiments.claims.rate_search import index_of
from experiments.claims.rules import FINAL_LOSS, LEARNING_RATE, TEST_ACCURACY
from experiments.studies.adarem import resnets

METHODS = {
    "AdamW": resnets.ADAMW,
    "AdamW, hyperball": resnets.optimizer(
        "adamw_hyperball", 0.03, ("weight_decay", 0.01)
    ),
    "MaS": resnets.optimizer("mas", 0.001),
    "MaS, hyperball": resnets.optimizer("mas_hyperball", 0.03),
}
PAIRS = (("AdamW, hyperball", "AdamW"), ("MaS, hyperball", "MaS"))

BETTER = Claim(
    id="ar-hb",
    source="Hyperball",
    statement="Around Adam and around MaS, fixed norms of weights and updates lower "
    "the training loss.",
    protocol=f"{resnets.ON_NARROW}; hyperball for all kernels, the other weights at a "
    "tenth of the rate, which was not tuned; AdamW with a decay of 0.01, around "
    "hyperball of the other weights only; MaS without",
    trial=resnets.trial(resnets.NARROW, METHODS),
    rule=tuple(rules.surely_below(ball, plain, FINAL_LOSS) for ball, plain in PAIRS),
    figure=resnets.drawing(
        "figure-hyperball",
        "Hyperball around Adam and MaS",
        resnets.LOSS_PANEL,
        resnets.ACCURACY_PANEL,
    ),
)


def _apart(evidence: Evidence, label: str) -> float:
    """How many steps of the grid the best rates of the two widths are apart."""
    narrow, wide = (
        evidence.searches[f"{label}, {width}"].best for width in resnets.WIDTHS
    )
    assert narrow is not None and wide is not None  # judged only if found
    return float(abs(index_of(narrow) - index_of(wide)))


TRANSFER = Claim(
    id="ar-hb-transfer",
    source="Hyperball",
    statement="With hyperball the best learning rate of the narrow network is that of "
    "the wide one, or nearer to it than without.",
    protocol=f"{resnets.ON_WIDE}; and the same on half as many channels; the rates are "
    "those that searches with one seed find, so neighbours on the grid may be one by "
    "chance, and a search may end where the loss falls again further on. It also "
    "holds where rates carry over without hyperball",
    trial=Training(
        tuned={
            f"{label}, {width}": resnets.tuned(model, start)
            for label, start in METHODS.items()
            for width, model in resnets.WIDTHS.items()
        },
        quantity=LEARNING_RATE,
        also=(FINAL_LOSS, TEST_ACCURACY),
    ),
    rule=tuple(
        rules.at_most(
            f"steps of the grid between the best rates of the two widths, {ball} "
            f"less {plain} (at least one): below 0",
            lambda e, ball=ball, plain=plain: (
                _apart(e, ball) - max(_apart(e, plain), 1.0)
            ),
            -1.0,
        )
        for ball, plain in PAIRS
    ),
)

CLAIMS: tuple[Claim, ...] = (BETTER, TRANSFER)
