"""The report on all claims, from the stored results: Markdown from one template."""

import functools
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jinja2

from experiments.claims import calculations, guide
from experiments.claims import judge as ledger
from experiments.claims.calculations import Calculated
from experiments.claims.claim import Calculation, Claim, Study, Table, Training
from experiments.claims.intervals import interval
from experiments.claims.judge import Judgement
from experiments.claims.rate_search import Found
from experiments.runs import summary as results
from experiments.runs.summary import Summary

COMMAND = "python -m experiments reproduce {}"
FEW = 6  # values that fit into a row

Judged = Sequence[tuple[Study, Sequence[Judgement]]]


class Rows(NamedTuple):
    """A table: its head and its rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def judge(claim: Claim, folder: pathlib.Path) -> Judgement:
    """Decides on a claim from the tables in the folder of its study.

    Raises:
      RunError: a table was edited or damaged.
    """

    def table(claim_id: str) -> Table | None:
        calculated = calculations.load(folder, claim_id)
        return None if calculated is None else calculated.table

    return ledger.judge(claim, functools.partial(results.load, folder), table)


def markdown(judged: Judged, place: pathlib.Path, beside: pathlib.Path) -> str:
    """The whole report.

    Args:
      judged: the claims of every study, judged.
      place: folder of the tables and figures from which they were judged.
      beside: folder of the file that it is for; images are linked from there.
    """

    def figure(study: Study, judgement: Judgement) -> str | None:
        if judgement.claim.figure is None or judgement.evidence is None:
            return None
        image = figure_path(place / study.name, judgement.claim)
        return relative(image, beside) if image.exists() else None

    def origin(study: Study, judgement: Judgement) -> list[str]:
        return [*_origin(judgement, place / study.name), *_searches(judgement)]

    every = [j for _, some in judged for j in some]
    return (
        _TEMPLATES.get_template("report.md.jinja")
        .render(
            totals=_total(judged, place),
            judgements=every,
            entries=guide.ENTRIES,
            studies=judged,
            numbers=numbers,
            findings=findings,
            origin=origin,
            command=COMMAND,
            figure=figure,
        )
        .rstrip()
        + "\n"
    )


def optimizers(page: str) -> str:
    """The table of optimizers, which leads to the report on this page."""
    return _tables().optimizers(guide.ENTRIES, page)


def table(rows: Rows) -> str:
    """A table as Markdown."""
    return _tables().table(*rows)


def relative(path: pathlib.Path, beside: pathlib.Path) -> str:
    """How a page in this folder links to a file."""
    return pathlib.Path(os.path.relpath(path, beside)).as_posix()


def figure_path(folder: pathlib.Path, claim: Claim) -> pathlib.Path:
    """Where the image of a claim's figure is kept beside the tables of its study."""
    assert claim.figure is not None
    return folder / f"{claim.figure.name}.png"


def numbers(judgement: Judgement) -> Rows:
    """One row a label: what was measured, and what was published of it."""
    claim, evidence = judgement.claim, judgement.evidence
    assert evidence is not None
    digits = _digits(claim)
    more = claim.trial.also if isinstance(claim.trial, Training) else ()
    head = ["", _quantity(claim)]
    if claim.published:
        head += ["published", f"within {claim.tolerance:g}"]
    rows = []
    for label, value in evidence.values.items():
        row = [label, value.text(digits)]
        if label in claim.published:
            again = "yes" if judgement.reproduced(label) else "no"
            row += [_short(claim.published[label], digits), again]
        elif claim.published:
            row += ["", ""]
        for one in more:
            over_seeds = [one.of(summary) for summary in evidence.runs[label]]
            row.append(interval(over_seeds).text(one.digits))
        rows.append(tuple(row))
    return Rows((*head, *(one.name for one in more)), tuple(rows))


def findings(judgement: Judgement) -> Rows:
    """One row a condition of the rule, with what was found if the claim was tried."""
    found = {finding.condition.text: finding for finding in judgement.findings}
    rows = []
    for condition in judgement.claim.rule:
        finding = found.get(condition.text)
        outcome = ("", "not tried")
        if finding:
            outcome = (f"{finding.value:.4g}", "yes" if finding.holds else "no")
        rows.append((condition.text, *outcome))
    return Rows(("the rule", "measured", "met"), tuple(rows))


def _digits(claim: Claim) -> int:
    """How many are shown after the point."""
    trial = claim.trial
    return trial.digits if isinstance(trial, Calculation) else trial.quantity.digits


def _quantity(claim: Claim) -> str:
    """What the claim's values are."""
    trial = claim.trial
    return trial.quantity if isinstance(trial, Calculation) else trial.quantity.name


def _published(judgement: Judgement) -> list[str]:
    """The published values, each with its label."""
    digits, values = _digits(judgement.claim), judgement.claim.published
    return [f"{label}: {_short(value, digits)}" for label, value in values.items()]


def _measured(judgement: Judgement) -> list[str]:
    """The measured values, each with its label and its interval if it has one."""
    if judgement.evidence is None:
        return []
    digits, values = _digits(judgement.claim), judgement.evidence.values
    return [f"{label}: {value.text(digits)}" for label, value in values.items()]


def _short(value: float, digits: int) -> str:
    """A published value has the digits that could be read, not those measured."""
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _brief(parts: Sequence[str]) -> str:
    return f"{len(parts)} values" if len(parts) > FEW else "; ".join(parts)


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|")


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_TEMPLATES.filters |= {
    "cell": _cell,
    "brief": _brief,
    "published": _published,
    "measured": _measured,
}


def _tables() -> Any:
    return _TEMPLATES.get_template("tables.md.jinja").module


def _origin(judgement: Judgement, folder: pathlib.Path) -> list[str]:
    """Where the numbers come from."""
    if judgement.evidence is None:
        return []
    calculated = _calculated(judgement, folder)
    if calculated is not None:
        return [
            f"Calculated in {calculated.seconds:.1f} seconds on "
            f"{calculated.date[:10]} with {_versions(calculated.versions)}."
        ]
    summaries = list(_summaries(judgement).values())
    hours = sum(s.result.seconds for s in summaries) / 3600
    took = f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
    dates = sorted(s.date[:10] for s in summaries)
    versions = sorted({_versions(s.versions) for s in summaries})
    return [
        f"Runs: {len(summaries)}, trained in {took}, from {dates[0]} to {dates[-1]}, "
        f"with {'; '.join(versions)}."
    ]


def _calculated(judgement: Judgement, folder: pathlib.Path) -> Calculated | None:
    if not isinstance(judgement.claim.trial, Calculation):
        return None
    return calculations.load(folder, judgement.claim.id)


def _summaries(judgement: Judgement) -> Mapping[object, Summary]:
    """All runs behind a judgement, those of searches included, each once."""
    if judgement.evidence is None:
        return {}
    evidence = judgement.evidence
    every = [s for some in evidence.runs.values() for s in some]
    every += [s for found in evidence.searches.values() for s in found.tried.values()]
    return {summary.run: summary for summary in every}


def _total(judged: Judged, place: pathlib.Path) -> str:
    every = [j for _, some in judged for j in some]
    summaries = {r: s for j in every for r, s in _summaries(j).items()}
    calculated = [
        found
        for study, some in judged
        for judgement in some
        if judgement.evidence is not None
        and (found := _calculated(judgement, place / study.name)) is not None
    ]
    seconds = sum(s.result.seconds for s in summaries.values())
    seconds += sum(found.seconds for found in calculated)
    words = ("holds", "does not hold", "not tried")
    counts = {word: sum(j.verdict.word == word for j in every) for word in words}
    return (
        f"{len(every)} claims: {counts['holds']} hold, {counts['does not hold']} do "
        f"not hold, {counts['not tried']} were not tried. Drawn from {len(summaries)} "
        f"training runs and {len(calculated)} calculations, {seconds / 3600:.1f} hours "
        f"of computing."
    )


def _searches(judgement: Judgement) -> list[str]:
    """Which learning rates were tried, and which of them came out best."""
    found = judgement.evidence.searches if judgement.evidence else {}
    return [_search(judgement.claim, label, f) for label, f in found.items()]


def _search(claim: Claim, label: str, found: Found) -> str:
    assert isinstance(claim.trial, Training)
    mine = claim.trial.tuned[label]
    for other, tuned in claim.trial.tuned.items():
        if mine.optimizer and not tuned.optimizer and tuned.search == mine.search:
            return f"Step size of {label}: {found.best:g}, that of {other}."
    tried = ", ".join(
        f"{rate:g}" + ("" if rate in found.scores else " (unstable)")
        for rate in sorted(found.tried, reverse=True)
    )
    return f"Step sizes tried for {label}: {tried}; best {found.best:g}."


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
