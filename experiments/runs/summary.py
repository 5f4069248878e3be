"""Small tables of runs that have ended: what figures and verdicts are drawn from.

One JSON file a run, of a few kilobytes, so that it can be kept in git where the run
itself, with its weights, cannot. It holds the configuration and its hash, how the run
ended, versions, date, the smoothed training loss at some 400 steps and all evaluations,
and a digest of all that: a number changed by hand is refused.

The training loss is smoothed as the MaS paper does it, by a moving average of decay
0.95 over the mini-batches. The paper does not say how its average starts. Here it is
corrected for its start (divided by the sum of its weights), so that a curve begins at
its first loss; a hundred steps later the two cannot be told apart.
"""

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.data.datasets import DATASETS
from experiments.errors import RunError
from experiments.runs import config, names, signed
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
      steps: int64 [points], the steps at which `loss` is given, the last one included.
      loss: float64 [points], the smoothed training loss.
      evaluated: int64 [evaluations], the steps after which it was evaluated.
      evaluations: name → float64 [evaluations].
    """

    run: config.Run
    result: Result
    weights: int
    versions: Mapping[str, str]
    date: str
    steps: np.ndarray
    loss: np.ndarray
    evaluated: np.ndarray
    evaluations: Mapping[str, np.ndarray]

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


def smooth(losses: np.ndarray, decay: float = SMOOTHING) -> np.ndarray:
    """Moving average of decay `decay`, corrected for its start at zero."""
    values = map(float, losses)
    sums = itertools.accumulate(
        values, lambda mean, x: decay * mean + (1 - decay) * x, initial=0.0
    )
    means = np.array(list(sums)[1:])
    return means / (1 - decay ** np.arange(1, len(means) + 1))


def summarize(store: Store, run: config.Run, weights: int) -> Summary:
    """Reduces a stored run that has ended to what is kept of it.

    Args:
      store: where the run is.
      run: its configuration.
      weights: number of the network's parameters.

    Raises:
      RunError: the run has not ended, or its files are damaged.
    """
    result = store.result(run)
    if result is None:
        raise RunError(f"The run in {store.folder(run)} has not ended: train it first.")
    table = store.read_metrics(run)
    description = read_json(store.folder(run) / "config.json")
    kept = np.linspace(0, len(table.losses) - 1, POINTS).round().astype(np.int64)
    kept = np.unique(kept)
    return Summary(
        run=run,
        result=result,
        weights=weights,
        versions=description["versions"],
        date=description["date"],
        steps=table.loss_steps[kept],
        loss=smooth(table.losses)[kept],
        evaluated=table.steps,
        evaluations=table.columns,
    )


def path(folder: pathlib.Path, run: config.Run) -> pathlib.Path:
    """Where the table of a run is; the name tells a reader which run it is."""
    name = f"{run.model}-{run.optimizer.name}-seed-{run.seed}-{names.run_hash(run)}"
    return folder / f"{name}.json"


def save(folder: pathlib.Path, summary: Summary) -> None:
    """Writes the table of a run, whole or not at all.

    Raises:
      OutputError: the folder cannot be written to.
    """
    tree = {
        "run": config.to_json(summary.run),
        "hash": names.run_hash(summary.run),
        "versions": dict(summary.versions),
        "date": summary.date,
        "result": signed.rounded(dataclasses.asdict(summary.result)),
        "weights": summary.weights,
        "smoothing": SMOOTHING,
        "steps": summary.steps.tolist(),
        "loss": signed.rounded(summary.loss.tolist()),
        "evaluated": summary.evaluated.tolist(),
        "evaluations": signed.rounded(
            {name: column.tolist() for name, column in summary.evaluations.items()}
        ),
    }
    signed.write(path(folder, summary.run), tree)


def load(folder: pathlib.Path, run: config.Run) -> Summary | None:
    """Reads the table of a run, None if there is none.

    Raises:
      RunError: the table is not what was written, or is that of another run.
    """
    place = path(folder, run)

    def parse(tree: dict[str, Any]) -> Summary:
        stored = config.from_json(tree["run"])
        if {names.run_hash(stored), tree["hash"]} != {names.run_hash(run)}:
            raise signed.refusal(place, f"is the table of run {tree['hash']}")
        return Summary(
            run=run,
            result=Result(**tree["result"]),
            weights=tree["weights"],
            versions=tree["versions"],
            date=tree["date"],
            steps=np.array(tree["steps"], np.int64),
            loss=np.array(tree["loss"], np.float64),
            evaluated=np.array(tree["evaluated"], np.int64),
            evaluations={k: np.array(v) for k, v in tree["evaluations"].items()},
        )

    return signed.read(place, parse)
