"""The report on all claims, from the stored results: Markdown from one template."""

import dataclasses
import math
import os
import pathlib
import urllib.parse
from collections.abc import Sequence
from typing import Any, NamedTuple

import jinja2
from mdit_py_plugins.anchors.index import slugify

from experiments.claims import guide
from experiments.claims.calculations import Calculated, load
from experiments.claims.claim import Calculation, Claim, Condition, Study, Training
from experiments.claims.intervals import FEWEST, interval
from experiments.claims.judge import Judgement
from experiments.runs.summary import SMOOTHING, Summary

MARKS = {"holds": "✓", "does not hold": "✗", "not tried": "○"}

Judged = Sequence[tuple[Study, Sequence[Judgement]]]


class Rows(NamedTuple):
    """A table: its head and its rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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

    every = [judgement for _, some in judged for judgement in some]
    text = _TEMPLATES.get_template("report.md.jinja").render(
        judgements=every,
        studies=judged,
        entries=guide.ENTRIES,
        runs={s.run: s for judgement in every for s in _runs(judgement)}.values(),
        calculated={
            judgement.claim.id: calculation
            for study, some in judged
            for judgement in some
            if judgement.evidence is not None and judgement.evidence.table
            if (calculation := load(place / study.name, judgement.claim.id))
        },
        smoothing=SMOOTHING,
        figure=figure,
        numbers=numbers,
        parts=parts,
        published=published,
        runs_of=_runs,
        seeds=seeds,
        source_of_rate=_source_of_rate,
        versions=_versions,
    )
    return text.rstrip() + "\n"


def optimizers(page: str) -> str:
    """The table of optimizers, which leads to the report on this page."""
    return _tables().optimizers(guide.ENTRIES, page)


def table(rows: Rows) -> str:
    """A table as Markdown."""
    return _tables().table(*rows)


def relative(path: pathlib.Path, beside: pathlib.Path) -> str:
    """How a page in this folder links to a file."""
    return urllib.parse.quote(pathlib.Path(os.path.relpath(path, beside)).as_posix())


def figure_path(folder: pathlib.Path, claim: Claim) -> pathlib.Path:
    """Where the image of a claim's figure is kept beside the tables of its study."""
    assert claim.figure is not None
    return folder / f"{claim.figure.name}.png"


def numbers(judgement: Judgement) -> Rows:
    """One row a label: what was measured, and what was published of it."""
    claim, evidence = judgement.claim, judgement.evidence
    assert evidence is not None
    quantity, digits = _quantity(claim)
    more = claim.trial.also if isinstance(claim.trial, Training) else ()
    head = ["optimizer" if evidence.runs else "case", quantity]
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


def parts(judgement: Judgement) -> Rows:
    """One row a part of the claim's rule: what it asks for, and what was found."""
    found = {finding.condition.text: finding for finding in judgement.findings}
    rows = []
    for condition in judgement.claim.rule:
        finding = found.get(condition.text)
        value, met = "", f"{MARKS['not tried']} not tried"
        if finding:
            value = f"{finding.value:.4g}"
            met = "✓ met" if finding.holds else "✗ not met"
        rows.append((condition.text, value, _allowed(condition), met))
    return Rows(("what must be true", "measured", "allowed", "met"), tuple(rows))


def verdict(judgement: Judgement, emphasis: str = "") -> str:
    """The verdict with its mark, and how many parts of the claim were met.

    Args:
      judgement: whose verdict.
      emphasis: put around the word, as Markdown's `**`.
    """
    found, told = judgement.verdict, judgement.findings
    met = sum(finding.holds for finding in told)
    count = f"{met} of {len(told)} parts met" if len(told) > 1 else ""
    word = f"{emphasis}{MARKS[found.word]} {found.word}{emphasis}"
    more = "; ".join(filter(None, (count, found.why)))
    return f"{word}: {more}" if more else word


def seeds(judgement: Judgement) -> str:
    """Over how many runs the numbers are means, and what ± is."""
    assert judgement.evidence is not None
    counts = sorted({len(runs) for runs in judgement.evidence.runs.values()})
    if not counts:
        values = judgement.evidence.values.values()
        if any(value.half is not None for value in values):
            return "Calculated: mean of the repetitions ± their 95 % interval."
        return "Calculated."
    if counts == [1]:
        return "One run each, and so no interval."
    over = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    if counts[-1] < FEWEST:
        return f"Mean over {over} seeds."
    return f"Mean over {over} seeds ± the 95 % interval of Student's t."


def published(claim: Claim) -> list[str]:
    """The published values, each with its label."""
    _, digits = _quantity(claim)
    return [f"{label}: {_short(v, digits)}" for label, v in claim.published.items()]


def _allowed(condition: Condition) -> str:
    least, greatest = f"{condition.least:z.4g}", f"{condition.greatest:z.4g}"
    if condition.least == -math.inf:
        return f"≤ {greatest}"
    if condition.greatest == math.inf:
        return f"≥ {least}"
    return least if least == greatest else f"{least} to {greatest}"


def _quantity(claim: Claim) -> tuple[str, int]:
    """What the claim's values are, and how many digits are shown after the point."""
    trial = claim.trial
    if isinstance(trial, Calculation):
        return trial.quantity, trial.digits
    return trial.quantity.name, trial.quantity.digits


def _short(value: float, digits: int) -> str:
    """A published value has the digits that could be read, not those measured."""
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|")


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_TEMPLATES.filters |= {"cell": _cell, "verdict": verdict, "slug": slugify}


def _tables() -> Any:
    return _TEMPLATES.get_template("tables.md.jinja").module


def _runs(judgement: Judgement) -> list[Summary]:
    """All runs behind a judgement, those of searches included, each once."""
    if judgement.evidence is None:
        return []
    evidence = judgement.evidence
    every = [s for some in evidence.runs.values() for s in some]
    every += [s for found in evidence.searches.values() for s in found.tried.values()]
    return list({summary.run: summary for summary in every}.values())


def _source_of_rate(claim: Claim, label: str) -> str | None:
    """The label whose search has found the rate of this one, if it had none itself."""
    assert isinstance(claim.trial, Training)
    mine = claim.trial.tuned[label]
    searched = dataclasses.replace(mine, optimizer=None)
    for other, tuned in claim.trial.tuned.items():
        if mine.optimizer and searched == dataclasses.replace(tuned, seeds=mine.seeds):
            return other
    return None


def _versions(tried: Sequence[Summary | Calculated]) -> str:
    """The versions that all of these ran with."""
    each = {", ".join(f"{n} {v}" for n, v in one.versions.items()) for one in tried}
    return "; ".join(sorted(each))
