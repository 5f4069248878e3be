"""Summaries of runs that have ended: what figures and verdicts are drawn from.

A row of `runs.jsonl` a run, of a few kilobytes, so that it can be kept in git where the
run itself, with its weights, cannot. It holds the configuration and its hash, how the
run ended, versions, date, the smoothed training loss at some 400 steps and all
evaluations.

The training loss is smoothed as the MaS paper does it, by a moving average of decay
0.95 over the mini-batches. The paper does not say how its average starts. Here it is
corrected for its start (divided by the sum of its weights), so that a curve begins at
its first loss; a hundred steps later the two cannot be told apart.
"""

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.data.datasets import DATASETS
from experiments.errors import RunError
from experiments.runs import config, metrics, names, tables
from experiments.runs.files import read_json
from experiments.runs.store import Result, Store

SMOOTHING = 0.95
POINTS = 400
CLEARLY = 0.95  # of the loss of a guess


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What is kept of a run.

    Attributes:
      run: its configuration.
      result: how it ended.
      weights: number of the network's parameters.
      versions: of Python and of the packages that it ran with.
      date: when it began.
      loss: float64 [points], the smoothed training loss at `steps`.
      evaluated: int64 [evaluations], the steps after which it was evaluated.
      evaluations: name → float64 [evaluations].
    """

    run: config.Run
    result: Result
    weights: int
    versions: Mapping[str, str]
    date: str
    loss: np.ndarray
    evaluated: np.ndarray
    evaluations: Mapping[str, np.ndarray]

    @property
    def steps(self) -> np.ndarray:
        """int64 [points], equally spaced from the first step to the last."""
        return _spaced(self.result.steps, len(self.loss))

    @property
    def final_loss(self) -> float:
        """The smoothed training loss of the last step; NaN if the run diverged."""
        return float(self.loss[-1]) if self.result.status == "finished" else math.nan

    @property
    def failure(self) -> str:
        """What went wrong: it diverged, or ended as a guess does; else nothing."""
        if self.result.status == "diverged":
            return f"diverged at step {self.result.steps}"
        guess = math.log(DATASETS[self.run.dataset].num_classes)
        learnt = self.result.metrics["train_loss"] < CLEARLY * guess
        return "" if learnt else "ended no better than a guess"

    @property
    def bytes_per_weight(self) -> float:
        """Size of the optimizer's state over the number of weights."""
        return self.result.state_bytes / self.weights


def smooth(
    losses: Iterable[float], steps: Sequence[int], decay: float = SMOOTHING
) -> np.ndarray:
    """Moving average, corrected for its start at zero, after each of the `steps`."""
    sums = itertools.accumulate(
        map(float, losses), lambda mean, x: decay * mean + (1 - decay) * x, initial=0.0
    )
    kept = set(steps)
    means = np.array([mean for step, mean in enumerate(sums) if step in kept])
    return means / (1 - decay ** np.asarray(steps))


def summarize(store: Store, run: config.Run, weights: int) -> Summary:
    """Reduces a stored run that has ended to what is kept of it.

    Raises:
      RunError: the run has not ended, or its files are damaged.
    """
    result = store.result(run)
    if result is None:
        raise RunError(f"The run in {store.folder(run)} has not ended: train it first.")
    description = read_json(store.folder(run) / "config.json")
    assert description is not None  # or there were no result
    kept = _spaced(result.steps, min(result.steps, POINTS))
    losses = (loss for row in store.read_rows(run) for loss in row["losses"])
    bare = ({**row, "losses": ()} for row in store.read_rows(run))
    table = metrics.table(bare)
    return Summary(
        run=run,
        result=result,
        weights=weights,
        versions=description["versions"],
        date=description["date"],
        loss=smooth(losses, kept.tolist()),
        evaluated=table.steps,
        evaluations=table.columns,
    )


def path(folder: pathlib.Path) -> pathlib.Path:
    """Where the summaries of a study are."""
    return folder / "runs.jsonl"


def save(folder: pathlib.Path, summary: Summary) -> None:
    """Adds a summary to those of a study; of two of one run, the later counts.

    Raises:
      OutputError: the folder cannot be written to.
    """
    row = {
        "hash": names.run_hash(summary.run),
        "run": config.to_json(summary.run),
        "versions": dict(summary.versions),
        "date": summary.date,
        "result": tables.rounded(dataclasses.asdict(summary.result)),
        "weights": summary.weights,
        "loss": tables.rounded(summary.loss.tolist()),
        "evaluated": summary.evaluated.tolist(),
        "evaluations": tables.rounded(
            {name: column.tolist() for name, column in summary.evaluations.items()}
        ),
    }
    tables.append(path(folder), row)


def load(folder: pathlib.Path, run: config.Run) -> Summary | None:
    """The summary of a run, None if there is none.

    Raises:
      RunError: its row is not what was written.
    """
    return tables.find(path(folder), _parse, names.run_hash(run))


def _parse(row: dict[str, Any]) -> tuple[str, Summary]:
    run = config.from_json(row["run"])
    if names.run_hash(run) != row["hash"]:
        raise ValueError("another hash was written for this run")
    summary = Summary(
        run=run,
        result=Result(**row["result"]),
        weights=row["weights"],
        versions=row["versions"],
        date=row["date"],
        loss=np.array(row["loss"], np.float64),
        evaluated=np.array(row["evaluated"], np.int64),
        evaluations={k: np.array(v) for k, v in row["evaluations"].items()},
    )
    _ = summary.failure  # of a row of another version it may not be known
    return row["hash"], summary


def _spaced(last: int, points: int) -> np.ndarray:
    """Equally spaced steps from 1 to the last, as far as whole numbers are."""
    return np.linspace(0, last - 1, points).round().astype(np.int64) + 1
