"""`reproduce`: the runs, figures and verdicts of claims."""

import functools
import math
import pathlib
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from experiments import ledger, outputs, plotting, report, results
from experiments.commands import catalogue, options, session
from experiments.config import Run
from experiments.intervals import interval
from experiments.ledger import Claim, Judgement, Study
from experiments.results import Summary


def run(options: options.Reproduce) -> int:
    """Trains, draws, prints; the exit code tells whether a run diverged."""
    chosen = catalogue.select(options.claims)
    output = options.output or options.place.runs / "results"
    outputs.check(output)
    folders = _folders(chosen, output)
    missing = [
        run
        for run, places in folders.items()
        if any(results.load(place, run) is None for place in places)
    ]
    console = session.console()
    console.print(
        f"{len(folders)} runs; {len(missing)} of them have no results in {output}.",
        soft_wrap=True,
    )

    def keep(summary: Summary) -> None:
        for place in folders[summary.run]:
            results.save(place, summary)

    if missing:
        session.train(missing, options.place, console, keep)
    summaries: dict[Run, Summary] = {}
    for study, claim in chosen:
        judgement = ledger.judge(
            claim, functools.partial(results.load, output / study.name)
        )
        _show(console, judgement)
        if path := _draw(judgement, study, output):
            console.print(f"Figure: {path}", soft_wrap=True)
        summaries |= {s.run: s for s in _summaries(judgement)}
    return session.exit_code(list(summaries.values()))


def _folders(
    chosen: Iterable[tuple[Study, Claim]], output: pathlib.Path
) -> dict[Run, set[pathlib.Path]]:
    """The runs of the claims, with the folders where their tables belong."""
    folders: dict[Run, set[pathlib.Path]] = {}
    for study, claim in chosen:
        for run in (run for runs in claim.runs.values() for run in runs):
            folders.setdefault(run, set()).add(output / study.name)
    return folders


def _summaries(judgement: Judgement) -> list[Summary]:
    assert judgement.evidence is not None  # all its runs have been trained
    return [s for runs in judgement.evidence.runs.values() for s in runs]


def _draw(
    judgement: Judgement, study: Study, output: pathlib.Path
) -> pathlib.Path | None:
    claim, evidence = judgement.claim, judgement.evidence
    if claim.figure is None or evidence is None:
        return None
    path = report.figure_path(output, study, claim.figure.name)
    drawing = plotting.make(claim.figure, evidence.runs, claim.published)
    outputs.write(path, plotting.png(drawing))
    return path


def _show(console: Console, judgement: Judgement) -> None:
    claim = judgement.claim
    console.print()
    console.print(f"{claim.id} ({claim.source}): {claim.statement}", soft_wrap=True)
    console.print(_table(judgement))
    for finding in judgement.findings:
        word = "yes" if finding.holds else "no"
        console.print(
            f"  {finding.condition.text}: {word}, {finding.value:.4g}", soft_wrap=True
        )
    console.print(f"Verdict: {judgement.verdict}", soft_wrap=True)


def _table(judgement: Judgement) -> Table:
    claim, evidence = judgement.claim, judgement.evidence
    assert evidence is not None
    table = Table()
    table.add_column("")
    for head in (
        claim.quantity.name,
        "published",
        f"within {claim.tolerance:g}",
        "test accuracy, %",
        "state, bytes",
        "a weight",
        "seconds",
    ):
        table.add_column(head, justify="right")
    for label, summaries in evidence.runs.items():
        accuracies = [
            100 * s.result.metrics.get("test_accuracy", math.nan) for s in summaries
        ]
        table.add_row(
            label,
            evidence.values[label].text(claim.quantity.digits),
            f"{claim.published[label]:.2f}",
            "yes" if judgement.reproduced(label) else "no",
            interval(accuracies).text(2),
            f"{summaries[0].result.state_bytes:,}",
            f"{summaries[0].bytes_per_weight:.2f}",
            f"{sum(s.result.seconds for s in summaries):.1f}",
        )
    return table
