"""The values of a claim as a reader sees them."""

from experiments.claims.claim import Calculation, Claim
from experiments.claims.judge import Judgement


def digits(claim: Claim) -> int:
    """How many are shown after the point."""
    trial = claim.trial
    return trial.digits if isinstance(trial, Calculation) else trial.quantity.digits


def quantity(claim: Claim) -> str:
    """What the claim's values are."""
    trial = claim.trial
    return trial.quantity if isinstance(trial, Calculation) else trial.quantity.name


def published(judgement: Judgement) -> list[str]:
    """The published values, each with its label."""
    shown, values = digits(judgement.claim), judgement.claim.published
    return [f"{label}: {short(value, shown)}" for label, value in values.items()]


def measured(judgement: Judgement) -> list[str]:
    """The measured values, each with its label and its interval if it has one."""
    if judgement.evidence is None:
        return []
    shown, values = digits(judgement.claim), judgement.evidence.values
    return [f"{label}: {value.text(shown)}" for label, value in values.items()]


def short(value: float, shown: int) -> str:
    """A published value has the digits that could be read, not those measured."""
    return f"{value:.{shown}f}".rstrip("0").rstrip(".")
