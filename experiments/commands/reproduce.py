"""`reproduce`: the runs, calculations, figures and verdicts of claims."""

import functools
import pathlib
from collections.abc import Mapping, Sequence

from rich.console import Console

from experiments import environment
from experiments.claims import calculations, figures, judge, report
from experiments.claims.claim import Calculation, Claim, Study, Training
from experiments.claims.judge import Judgement
from experiments.commands import options, session, verdicts
from experiments.runs import outputs
from experiments.runs import summary as results
from experiments.runs.config import Run
from experiments.runs.summary import Summary
from experiments.studies import catalogue

Chosen = Sequence[tuple[Study, Claim]]


def run(options: options.Reproduce) -> int:
    """Trains, calculates, draws, prints; the exit code tells whether a run diverged."""
    chosen = catalogue.select(options.claims)
    output = options.output or options.place.runs / "results"
    outputs.check(output)
    console = session.console()
    for study, claim in chosen:
        _load(study, claim, output)  # what was edited is refused before any work
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
        judgement = _load(study, claim, output)
        verdicts.show(console, judgement)
        if path := _draw(judgement, output / study.name):
            console.print(f"Figure: {path}", soft_wrap=True)
        if judgement.evidence is not None:
            runs = judgement.evidence.runs
            summaries |= {s.run: s for some in runs.values() for s in some}
    return session.exit_code(list(summaries.values()))


def _load(study: Study, claim: Claim, output: pathlib.Path) -> Judgement:
    return report.judge(claim, output / study.name)


def _calculate(chosen: Chosen, output: pathlib.Path, console: Console) -> None:
    for study, claim in chosen:
        folder = output / study.name
        if not isinstance(claim.trial, Calculation):
            continue
        if calculations.load(folder, claim.id) is None:
            console.print(f"Calculating {claim.id}.")
            environment.prepare()
            found = calculations.calculate(claim.trial)
            calculations.save(folder, claim.id, found)


def _train(
    chosen: Chosen, output: pathlib.Path, place: options.Place, console: Console
) -> None:
    """Trains what is missing; searches bring forth new runs until all are known."""
    trainings = [
        (output / study.name, claim.trial)
        for study, claim in chosen
        if isinstance(claim.trial, Training)
    ]
    most = _side_by_side([training for _, training in trainings])
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
        session.train(list(missing), place, console, keep, most)


def _keep(folders: Mapping[Run, set[pathlib.Path]], summary: Summary) -> None:
    for folder in folders[summary.run]:
        results.save(folder, summary)


def _side_by_side(trainings: Sequence[Training]) -> int:
    """The most runs that will differ in nothing but their seed."""
    counts = [len(some) for training in trainings for some in training.runs.values()]
    counts += [len(t.seeds) for training in trainings for t in training.tuned.values()]
    return max(counts, default=1)


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
    path = report.figure_path(folder, claim)
    outputs.write(path, figures.png(claim.figure.draw(evidence)))
    return path
