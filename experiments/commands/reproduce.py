"""`reproduce`: the runs, calculations, figures and verdicts of claims."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Annotated

from rich.console import Console
from rich.table import Column, Table
from tyro.conf import Positional, arg

from experiments import environment
from experiments.claims import calculations, judge, report
from experiments.claims.claim import Calculation, Claim, Study, Training
from experiments.claims.judge import Judgement, judge_stored
from experiments.commands.train import AnyPlace, Path, Place, exit_code, terminal, train
from experiments.runs import files
from experiments.runs import summary as results
from experiments.runs.config import Run
from experiments.runs.summary import Summary

Chosen = Sequence[tuple[Study, Claim]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Tries claims of the papers: trains what is missing, draws the figure, decides.

    Example: python -m experiments reproduce mas-1

    Attributes:
      claims: as mas-1 (see: list claims), or a whole study as mas, or all.
      output: folder for figures and tables of results (default: results in the folder
        of the runs); a run whose table is there is not trained again.
    """

    claims: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="CLAIM ...", help_behavior_hint="(required)"),
    ]
    output: Path = None
    place: AnyPlace = dataclasses.field(default_factory=Place)


def run(options: Reproduce) -> int:
    """Trains, calculates, draws, prints; the exit code tells whether a run diverged."""
    from experiments.studies import catalogue

    chosen = catalogue.select(options.claims)
    output = options.output or options.place.runs / "results"
    files.check_room(output)
    console = terminal()
    for study, claim in chosen:
        judge_stored(claim, output / study.name)  # what was edited is refused at once
    for study, claim in catalogue.left_out(options.claims):
        console.print(
            f"{claim.id} of {study.name} is left out ({claim.costly}); ask for it by "
            f"its id.",
            soft_wrap=True,
        )
    _train(chosen, output, options.place, console)
    _calculate(chosen, output, console)
    summaries: dict[Run, Summary] = {}
    for study, claim in chosen:
        judgement = judge_stored(claim, output / study.name)
        _show(console, judgement)
        if path := _draw(judgement, output / study.name):
            console.print(f"Figure: {path}", soft_wrap=True)
        if judgement.evidence is not None:
            runs = judgement.evidence.runs
            summaries |= {s.run: s for some in runs.values() for s in some}
    return exit_code(list(summaries.values()))


def _calculate(chosen: Chosen, output: pathlib.Path, console: Console) -> None:
    for study, claim in chosen:
        folder, trial = output / study.name, claim.trial
        if isinstance(trial, Calculation) and not calculations.load(folder, claim.id):
            console.print(f"Calculating {claim.id}.")
            environment.prepare()
            calculations.save(folder, calculations.calculate(claim.id, trial))


def _train(
    chosen: Chosen, output: pathlib.Path, place: Place, console: Console
) -> None:
    """Trains what is missing; searches bring forth new runs until all are known."""
    trainings = [
        (output / study.name, claim.trial)
        for study, claim in chosen
        if isinstance(claim.trial, Training)
    ]
    told = False
    while True:
        plans = [
            (folder, judge.plan(training, functools.partial(results.load, folder)))
            for folder, training in trainings
        ]
        folders: dict[Run, set[pathlib.Path]] = {}
        missing: dict[Run, None] = {}
        for folder, plan in plans:
            for run in plan.every:
                folders.setdefault(run, set()).add(folder)
            lacking = plan.missing(functools.partial(results.load, folder))
            missing |= dict.fromkeys(lacking)
        if folders and not told or missing:
            going_on = any(not plan.whole for _, plan in plans)
            _tell(console, folders, list(missing), going_on, output)
            told = True
        if not missing:
            return
        keep = functools.partial(_keep, folders)
        train(list(missing), place, console, keep)


def _keep(folders: Mapping[Run, set[pathlib.Path]], summary: Summary) -> None:
    for folder in folders[summary.run]:
        results.save(folder, summary)


def _tell(
    console: Console,
    folders: Mapping[Run, set[pathlib.Path]],
    missing: Sequence[Run],
    going_on: bool,
    output: pathlib.Path,
) -> None:
    text = f"{len(folders)} runs; {len(missing)} of them have no results in {output}"
    if missing:
        text += f", {_duration(folders, missing)}"
    if going_on:
        text += "; searches for step sizes will add more"
    console.print(f"{text}.", soft_wrap=True)


def _duration(folders: Mapping[Run, set[pathlib.Path]], missing: Sequence[Run]) -> str:
    """How long the missing runs will take, judged by those of the same length."""
    known: dict[object, list[float]] = {}
    for run, places in folders.items():
        summary = results.load(next(iter(places)), run)
        if summary is not None and summary.result.status == "finished":
            known.setdefault(_length(run), []).append(summary.result.seconds)
    if not all(_length(run) in known for run in missing):
        return "which take an unknown time until the first has ended"
    seconds = sum(
        sum(known[_length(run)]) / len(known[_length(run)]) for run in missing
    )
    if seconds < 120:
        return f"which take about {seconds:.0f} seconds"
    return f"which take about {seconds / 60:.0f} minutes"


def _length(run: Run) -> object:
    return run.dataset, run.model, run.batch_size, run.epochs, run.steps


def _draw(judgement: Judgement, folder: pathlib.Path) -> pathlib.Path | None:
    claim, evidence = judgement.claim, judgement.evidence
    if claim.figure is None or evidence is None:
        return None
    from experiments.claims import figures

    path = report.figure_path(folder, claim)
    files.write_output(path, figures.png(claim.figure.draw(evidence)))
    return path


def _show(console: Console, judgement: Judgement) -> None:
    """Prints a claim, what was measured, and the verdict."""
    claim = judgement.claim
    console.print()
    console.print(f"{claim.id} ({claim.source}): {claim.statement}", soft_wrap=True)
    if judgement.evidence is not None:
        console.print(_numbers(judgement))
    for text, value, allowed, met in report.parts(judgement).rows:
        said = f"{value}, allowed {allowed}" if value else f"allowed {allowed}"
        console.print(f"  {met}: {text}: {said}", soft_wrap=True)
    console.print(f"Verdict: {judgement.verdict}", soft_wrap=True)


def _numbers(judgement: Judgement) -> Table:
    """The numbers of the report and, of runs, what they cost."""
    evidence = judgement.evidence
    assert evidence is not None
    numbers = report.numbers(judgement)
    costs = ("state, bytes", "a weight", "seconds") if evidence.runs else ()
    heads = (*numbers.head[1:], *costs)
    table = Table("", *(Column(head, justify="right") for head in heads))
    for label, row in zip(evidence.values, numbers.rows, strict=True):
        cost = _cost(evidence.runs[label]) if evidence.runs else ()
        table.add_row(*map(str, row), *cost)
    return table


def _cost(summaries: Sequence[Summary]) -> tuple[str, str, str]:
    return (
        f"{summaries[0].result.state_bytes:,}",
        f"{summaries[0].bytes_per_weight:.2f}",
        f"{sum(s.result.seconds for s in summaries):.1f}",
    )
