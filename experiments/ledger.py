"""Claims of the papers, and the verdicts that stored results give on them.

A claim is data: what is said, the runs that try it, and the rule by which they decide,
written down before the runs. A verdict is never typed in: without the tables of all its
runs a claim is not tried.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from experiments import config
from experiments.intervals import Interval, interval
from experiments.plotting import Figure
from experiments.results import Summary


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number that every run of a claim is measured by.

    Attributes:
      name: what it is, as the head of a column.
      of: measures a run.
      digits: shown after the point.
    """

    name: str
    of: Callable[[Summary], float]
    digits: int = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the runs of a claim have shown, by label.

    Attributes:
      runs: one summary a seed.
      values: the claim's quantity, over the seeds.
    """

    runs: Mapping[str, Sequence[Summary]]
    values: Mapping[str, Interval]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """A part of a rule: something measured, and a bound on it.

    Attributes:
      text: what must be true.
      measure: the number that decides; NaN, as from a run that diverged, is never
        within bounds.
      least: smallest value allowed.
      greatest: largest value allowed.
    """

    text: str
    measure: Callable[[Evidence], float]
    least: float = -float("inf")
    greatest: float = float("inf")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that a source says, and how it is tried.

    Attributes:
      id: its name in the ledger and on the command line.
      source: where it is said.
      statement: what is said.
      protocol: how it was tried there and is tried here.
      runs: label → runs that differ in their seed only.
      quantity: what they are measured by.
      published: label → the value in the source.
      tolerance: how far from it a value still counts as reproduced.
      rule: holds if all of its conditions do.
      figure: of the runs' training loss, if the source has one.
    """

    id: str
    source: str
    statement: str
    protocol: str
    runs: Mapping[str, tuple[config.Run, ...]]
    quantity: Quantity
    published: Mapping[str, float]
    tolerance: float
    rule: tuple[Condition, ...]
    figure: Figure | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """The claims of one source document.

    Attributes:
      name: of its folder of results.
      title: of the source.
      claims: in the order of the source.
    """

    name: str
    title: str
    claims: tuple[Claim, ...]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a claim; `why` is said where it was not tried or a run failed."""

    word: Literal["holds", "does not hold", "not tried"]
    why: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.why}" if self.why else self.word


@dataclasses.dataclass(frozen=True)
class Finding:
    """A condition with what was measured."""

    condition: Condition
    value: float

    @property
    def holds(self) -> bool:
        """Whether the value is within the condition's bounds."""
        return self.condition.least <= self.value <= self.condition.greatest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """A claim with its verdict and all that led to it.

    Attributes:
      claim: what was judged.
      verdict: what came out.
      evidence: of its runs; None if some of them are missing.
      findings: the conditions of its rule; none without evidence.
    """

    claim: Claim
    verdict: Verdict
    evidence: Evidence | None = None
    findings: tuple[Finding, ...] = ()

    def reproduced(self, label: str) -> bool:
        """Whether a published value came out again, within the claim's tolerance."""
        assert self.evidence is not None
        gap = self.evidence.values[label].mean - self.claim.published[label]
        return abs(gap) <= self.claim.tolerance


def judge(claim: Claim, load: Callable[[config.Run], Summary | None]) -> Judgement:
    """Decides on a claim.

    Args:
      claim: what to decide on.
      load: the summary of a run, None if it is missing.
    """
    found = {label: [load(run) for run in runs] for label, runs in claim.runs.items()}
    whole = {
        label: [summary for summary in summaries if summary is not None]
        for label, summaries in found.items()
    }
    count = sum(map(len, found.values()))
    missing = count - sum(map(len, whole.values()))
    if missing:
        why = f"{missing} of {count} runs are missing"
        return Judgement(claim=claim, verdict=Verdict("not tried", why))
    values = {
        label: interval([claim.quantity.of(summary) for summary in summaries])
        for label, summaries in whole.items()
    }
    evidence = Evidence(runs=whole, values=values)
    findings = tuple(Finding(c, c.measure(evidence)) for c in claim.rule)
    holds = all(finding.holds for finding in findings)
    verdict = Verdict("holds" if holds else "does not hold", _failures(whole))
    return Judgement(claim=claim, verdict=verdict, evidence=evidence, findings=findings)


def within(label: str, other: str, margin: float) -> Condition:
    """The two values differ by no more than the margin."""
    return Condition(
        text=f"{label} within {margin:g} of {other}",
        measure=lambda e: e.values[label].mean - e.values[other].mean,
        least=-margin,
        greatest=margin,
    )


def below(label: str, other: str, margin: float) -> Condition:
    """The first value is less than the second by the margin at least."""
    return Condition(
        text=f"{label} at least {margin:g} below {other}",
        measure=lambda e: e.values[label].mean - e.values[other].mean,
        greatest=-margin,
    )


def _failures(runs: Mapping[str, Sequence[Summary]]) -> str:
    return "; ".join(
        f"{label} diverged at step {s.result.steps} with seed {s.run.seed}"
        for label, summaries in runs.items()
        for s in summaries
        if s.result.status == "diverged"
    )
