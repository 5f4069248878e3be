"""The ledger as a document: what every claim says, what was measured and decided."""

import functools
import pathlib
from collections.abc import Mapping, Sequence

from experiments.claims import calculations, guide, values
from experiments.claims import judge as ledger
from experiments.claims.calculations import Calculated
from experiments.claims.claim import Calculation, Claim, Study, Table, Training
from experiments.claims.document import (
    Block,
    Code,
    Heading,
    Image,
    Items,
    Link,
    TableBlock,
    Text,
)
from experiments.claims.intervals import interval
from experiments.claims.judge import Judgement
from experiments.claims.rate_search import Found
from experiments.runs import summary as results
from experiments.runs.summary import Summary

COMMAND = "python -m experiments reproduce {}"
FEW = 6  # values that fit into a row


def document(
    judgements: Sequence[tuple[Study, Sequence[Judgement]]],
    place: pathlib.Path,
) -> list[Block]:
    """The whole report.

    Args:
      judgements: the claims of every study, judged.
      place: folder of the tables and figures from which they were judged.
    """
    every = [j for _, some in judgements for j in some]
    blocks: list[Block] = [
        Heading(1, "What the papers claim, and what became of it"),
        Text(_total(every, judgements, place)),
        overview(every),
        Heading(2, "Which optimizer when"),
        guide.table(),
    ]
    for study, some in judgements:
        blocks.append(Heading(2, study.title))
        for judgement in some:
            blocks += _section(judgement, place / study.name)
    return blocks


def judge(claim: Claim, folder: pathlib.Path) -> Judgement:
    """Decides on a claim from the tables in the folder of its study.

    Raises:
      RunError: a table was edited or damaged.
    """

    def table(claim_id: str) -> Table | None:
        calculated = calculations.load(folder, claim_id)
        return None if calculated is None else calculated.table

    return ledger.judge(claim, functools.partial(results.load, folder), table)


def overview(judgements: Sequence[Judgement]) -> TableBlock:
    """One row a claim."""
    return TableBlock(
        head=("claim", "what is said", "published", "measured", "verdict"),
        rows=tuple(
            (
                Link(j.claim.id),
                j.claim.statement,
                _brief(values.published(j)),
                _brief(values.measured(j)),
                str(j.verdict),
            )
            for j in judgements
        ),
    )


def verdicts(judgements: Sequence[Judgement], page: pathlib.Path) -> TableBlock:
    """One short row a claim, which leads to its section in the report on this page."""
    return TableBlock(
        head=("claim", "what is said", "verdict"),
        rows=tuple(
            (Link(j.claim.id, page), j.claim.statement, str(j.verdict))
            for j in judgements
        ),
    )


def figure_path(folder: pathlib.Path, claim: Claim) -> pathlib.Path:
    """Where the image of a claim's figure is kept beside the tables of its study."""
    assert claim.figure is not None
    return folder / f"{claim.figure.name}.png"


def _brief(parts: Sequence[str]) -> str:
    return f"{len(parts)} values" if len(parts) > FEW else "; ".join(parts)


def numbers(judgement: Judgement) -> TableBlock:
    """One row a label: what was measured, and what was published of it."""
    claim, evidence = judgement.claim, judgement.evidence
    assert evidence is not None
    more = claim.trial.also if isinstance(claim.trial, Training) else ()
    head = ["", values.quantity(claim)]
    if claim.published:
        head += ["published", f"within {claim.tolerance:g}"]
    rows = []
    for label, value in evidence.values.items():
        row = [label, value.text(values.digits(claim))]
        if label in claim.published:
            again = "yes" if judgement.reproduced(label) else "no"
            row += [values.short(claim.published[label], values.digits(claim)), again]
        elif claim.published:
            row += ["", ""]
        for one in more:
            over_seeds = [one.of(summary) for summary in evidence.runs[label]]
            row.append(interval(over_seeds).text(one.digits))
        rows.append(tuple(row))
    return TableBlock(head=(*head, *(one.name for one in more)), rows=tuple(rows))


def findings(judgement: Judgement) -> TableBlock:
    """One row a condition of the rule, with what was found if the claim was tried."""
    found = {finding.condition.text: finding for finding in judgement.findings}
    rows = []
    for condition in judgement.claim.rule:
        finding = found.get(condition.text)
        outcome = ("", "not tried")
        if finding:
            outcome = (f"{finding.value:.4g}", "yes" if finding.holds else "no")
        rows.append((condition.text, *outcome))
    return TableBlock(head=("the rule", "measured", "met"), rows=tuple(rows))


def _section(judgement: Judgement, folder: pathlib.Path) -> list[Block]:
    claim, evidence = judgement.claim, judgement.evidence
    blocks: list[Block] = [
        Heading(3, claim.id),
        Text(f"{claim.source}: {claim.statement}"),
        Text(f"Verdict: {judgement.verdict}."),
        Text(f"Protocol: {claim.protocol}."),
    ]
    if evidence is not None:
        blocks.append(numbers(judgement))
    elif claim.published:
        blocks.append(Text(f"Published: {'; '.join(values.published(judgement))}."))
    blocks.append(findings(judgement))
    items = _origin(judgement, folder)
    if evidence is not None:
        items += [_search(claim, label, f) for label, f in evidence.searches.items()]
    if items:
        blocks.append(Items(tuple(items)))
    blocks.append(Code(COMMAND.format(claim.id)))
    if claim.figure is not None and evidence is not None:
        image = figure_path(folder, claim)
        if image.exists():
            blocks.append(Image(image, claim.source))
    return blocks


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


def _total(
    every: Sequence[Judgement],
    judgements: Sequence[tuple[Study, Sequence[Judgement]]],
    place: pathlib.Path,
) -> str:
    summaries = {r: s for j in every for r, s in _summaries(j).items()}
    calculated = [
        found
        for study, some in judgements
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
