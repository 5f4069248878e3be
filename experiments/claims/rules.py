"""Conditions from which the rules of claims are made.

Where there are seeds enough for an interval, two labels are compared seed by seed: both
started from the same weights and saw the examples in the same order.
"""

from experiments.claims import intervals
from experiments.claims.claim import Condition, Evidence, Measure, Quantity
from experiments.claims.intervals import Interval

FINAL_LOSS = Quantity(
    name="final smoothed training loss, nats", of=lambda summary: summary.final_loss
)
TEST_ACCURACY = Quantity(
    name="test accuracy at the end, %",
    of=lambda summary: 100 * float(summary.evaluations["test_accuracy"][-1]),
    digits=2,
)
LEARNING_RATE = Quantity(
    name="learning rate",
    of=lambda summary: summary.run.optimizer.learning_rate,
    digits=5,
)


def at_least(text: str, measure: Measure, least: float) -> Condition:
    """What is measured is no less than this."""
    return Condition(text=text, measure=measure, least=least)


def at_most(text: str, measure: Measure, greatest: float) -> Condition:
    """What is measured is no more than this."""
    return Condition(text=text, measure=measure, greatest=greatest)


def between(text: str, measure: Measure, least: float, greatest: float) -> Condition:
    """What is measured is one of these or between them."""
    return Condition(text=text, measure=measure, least=least, greatest=greatest)


def is_exactly(text: str, measure: Measure, value: float) -> Condition:
    """What is measured is this, to the last bit."""
    return between(text, measure, value, value)


def below(label: str, other: str) -> Condition:
    """The first value is less than the second."""
    return at_most(
        f"{_apart(label, 'below', other)} (difference of the means)",
        lambda e: e.values[label].mean - e.values[other].mean,
        0.0,
    )


def surely_below(
    label: str, other: str, quantity: Quantity, margin: float = 0.0
) -> Condition:
    """The whole interval of the paired difference is below zero, or a margin."""
    if margin > 0:
        said = _apart(label, "above", other, f" by {margin:g} at most")
    else:
        said = _apart(label, "below", other, f" by {-margin:g} at least" * (margin < 0))
    return _difference(said, label, other, quantity, 1, greatest=margin)


def not_surely_above(label: str, other: str, quantity: Quantity) -> Condition:
    """The interval of the paired difference does not lie wholly above zero."""
    said = _apart(label, "not clearly above", other)
    return _difference(said, label, other, quantity, -1, greatest=0.0)


def not_surely_below(label: str, other: str, quantity: Quantity) -> Condition:
    """The interval of the paired difference does not lie wholly below zero."""
    said = _apart(label, "not clearly below", other)
    return _difference(said, label, other, quantity, 1, least=0.0)


def ahead(label: str, other: str, quantity: Quantity, margin: float) -> Condition:
    """The mean of the paired difference is no less than the margin."""
    if margin < 0:
        said = _apart(label, "below", other, f" by {-margin:g} at most")
    else:
        said = _apart(label, "above", other, f" by {margin:g} at least" * (margin > 0))
    return _difference(said, label, other, quantity, 0, least=margin)


def close(label: str, other: str, quantity: Quantity, margin: float) -> Condition:
    """The means over the seeds differ by no more than the margin."""
    said = _apart(label, f"within {margin:g} of", other)
    bounds = {"least": -margin, "greatest": margin}
    return _difference(said, label, other, quantity, 0, **bounds)


def equal(label: str, value: float) -> Condition:
    """The value is the published one."""
    return is_exactly(f"{label} is {value:g}", lambda e: e.values[label].mean, value)


def paired(evidence: Evidence, label: str, other: str, quantity: Quantity) -> Interval:
    """The difference of the two seed by seed, for the seeds that both have.

    Raises:
      ValueError: they have none in common.
    """
    first, second = (
        {s.run.seed: quantity.of(s) for s in evidence.runs[name]}
        for name in (label, other)
    )
    common = sorted(first.keys() & second.keys())
    if not common:
        raise ValueError(f"{label} and {other} have no seed in common.")
    return intervals.interval([first[seed] - second[seed] for seed in common])


def _difference(
    said: str, label: str, other: str, quantity: Quantity, side: int, **bounds: float
) -> Condition:
    """Bounds of the paired difference: of its mean, or of an end of its interval."""
    what = "mean difference"
    if side:
        end = "upper" if side > 0 else "lower"
        what = f"{end} end of the 95 % interval of the difference"

    def measure(evidence: Evidence) -> float:
        gap = paired(evidence, label, other, quantity)
        # NaN, which is never in bounds, where there is no interval.
        half = float("nan") if gap.half is None else gap.half
        return gap.mean + side * half if side else gap.mean

    return Condition(
        text=f"{said} ({quantity.name}: {what})", measure=measure, **bounds
    )


def _apart(label: str, how: str, other: str, far: str = "") -> str:
    """How two labels lie; a comma inside of one would tear the sentence apart."""
    first, second = (f"“{one}”" if "," in one else one for one in (label, other))
    return f"{first} {how} {second}{far}"
