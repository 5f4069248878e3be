"""The verdicts that stored results give on the claims of the papers.

A verdict is never typed in: without the tables of all its runs, or of its calculation,
a claim is not tried.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from experiments.claims import calculations, rate_search
from experiments.claims.claim import Calculation, Claim, Condition, Evidence, Training
from experiments.claims.intervals import interval
from experiments.runs import config
from experiments.runs import summary as results
from experiments.runs.summary import Summary


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a claim; `why` is said where it was not tried or a run failed.

    A run that diverged meets no condition. One that ended no better than a guess has
    numbers, and counts with them.
    """

    word: Literal["holds", "does not hold", "not tried"]
    why: str = ""

    def __str__(self) -> str:
        joint = ": " if self.word == "not tried" else "; "
        return self.word + (joint + self.why if self.why else "")


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
      evidence: of its trial; None if some of it is missing.
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The runs of a training, as far as they are known.

    Attributes:
      runs: label → runs.
      searches: label → how far its search has come.
      searched: all runs of the searches, those that they need next included.
    """

    runs: Mapping[str, tuple[config.Run, ...]]
    searches: Mapping[str, rate_search.Found]
    searched: tuple[config.Run, ...]

    @property
    def whole(self) -> bool:
        """Whether all searches are over, so that all runs are known."""
        return all(found.next is None for found in self.searches.values())

    @property
    def every(self) -> tuple[config.Run, ...]:
        """All runs, each once; searches come first."""
        runs = (run for some in self.runs.values() for run in some)
        return tuple(dict.fromkeys((*self.searched, *runs)))

    def missing(self, load: rate_search.Load) -> list[config.Run]:
        """The runs without a table."""
        return [run for run in self.every if load(run) is None]


def plan(training: Training, load: rate_search.Load) -> Plan:
    """What a training consists of, given the tables that are there.

    Args:
      training: what is to be trained.
      load: the summary of a run, None if it is missing.
    """
    runs = dict(training.runs)
    searches: dict[str, rate_search.Found] = {}
    searched: list[config.Run] = []
    for label, search in training.tuned.items():
        found = rate_search.go_through(search, load)
        searches[label] = found
        searched += [summary.run for summary in found.tried.values()]
        if found.next is not None:
            searched.append(found.next)
        elif found.best is not None:
            runs[label] = search.runs(found.best)
    return Plan(runs=runs, searches=searches, searched=tuple(searched))


def judge_stored(claim: Claim, folder: pathlib.Path) -> Judgement:
    """Decides on a claim from the results in the folder of its study.

    Raises:
      RunError: a result was edited or damaged.
    """
    return judge(
        claim,
        functools.partial(results.load, folder),
        functools.partial(calculations.load, folder),
    )


def judge(
    claim: Claim,
    load_run: rate_search.Load,
    load_calculated: Callable[[str], calculations.Calculated | None],
) -> Judgement:
    """Decides on a claim.

    Args:
      claim: what to decide on.
      load_run: the summary of a run, None if it is missing.
      load_calculated: the calculation of a claim, None if it is missing.
    """
    trial = claim.trial
    failures = ""
    if isinstance(trial, Calculation):
        calculated = load_calculated(claim.id)
        if calculated is None:
            return _not_tried(claim, claim.costly or "it has not been calculated")
        evidence = trial.evidence(calculated.table)
    else:
        known = plan(trial, load_run)
        missing = known.missing(load_run)
        if missing:
            none = len(missing) == len(known.every)
            why = claim.costly if claim.costly and none else _lack(known, missing)
            return _not_tried(claim, why)
        lost = [label for label in trial.tuned if label not in known.runs]
        if lost:
            return _not_tried(claim, f"no step size of {' and '.join(lost)} is stable")
        summaries = {
            label: [s for run in runs if (s := load_run(run)) is not None]
            for label, runs in known.runs.items()
        }
        values = {
            label: interval([trial.quantity.of(summary) for summary in some])
            for label, some in summaries.items()
        }
        evidence = Evidence(values=values, runs=summaries, searches=known.searches)
        failures = _failures(summaries)
    findings = tuple(Finding(c, float(c.measure(evidence))) for c in claim.rule)
    holds = all(finding.holds for finding in findings)
    verdict = Verdict("holds" if holds else "does not hold", failures)
    return Judgement(claim=claim, verdict=verdict, evidence=evidence, findings=findings)


def _not_tried(claim: Claim, why: str) -> Judgement:
    return Judgement(claim=claim, verdict=Verdict("not tried", why))


def _lack(known: Plan, missing: Sequence[config.Run]) -> str:
    if not known.whole:
        searches = known.searches.values()
        tried = {s.run for found in searches for s in found.tried.values()}
        return f"searching for step sizes, {len(tried)} runs so far"
    return f"{len(missing)} of {len(known.every)} runs are missing"


def _failures(runs: Mapping[str, Sequence[Summary]]) -> str:
    return "; ".join(
        f"{label} {s.failure} with seed {s.run.seed}"
        for label, summaries in runs.items()
        for s in summaries
        if s.failure
    )
