"""The store of runs: one folder a run, named by the hash of its configuration.

A folder holds `config.json` (the run, versions, date), `metrics.jsonl` (see
`metrics.py`), `events.*` (the same for TensorBoard), `checkpoints/`, `weights/`, `lock`
and, once the run has ended, `result.json`. The result is written last: where it
stands, everything else is complete, and nothing in the folder is written again.
"""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import os
import pathlib
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from experiments.errors import ConfigError, RunError
from experiments.runs import config, files, metrics, names
from experiments.runs.metrics import Row, Table
from experiments.runs.tensorboard import Events

# Those that decide about numbers.
PACKAGES = ("jax", "jaxlib", "flax", "optax", "optax-sign", "numpy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended.

    Attributes:
      status: "finished", or "diverged" when the loss stopped being finite.
      steps: optimizer steps done.
      seconds: time spent training and evaluating.
      state_bytes: size of the optimizer's state.
      metrics: numbers of the last evaluation, by name; empty if there was none.
    """

    status: Literal["finished", "diverged"]
    steps: int
    seconds: float
    state_bytes: int
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        """Rejects a status that is not one, as a damaged file may hold."""
        if self.status not in ("finished", "diverged"):
            raise ValueError(f"status must be one of its two, got {self.status!r}.")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of `Store.list`.

    Attributes:
      folder: where the run is stored.
      run: its configuration; None where that cannot be read.
      status: what it is doing.
      detail: the rest of the sentence, as "at step 500" or "by process 4242".
      result: how it ended, if it has.
    """

    folder: pathlib.Path
    run: config.Run | None
    status: Literal["finished", "diverged", "running", "unfinished", "damaged"]
    detail: str
    result: Result | None = None


class Handle:
    """A run held for writing by this process alone; comes from `Store.open`.

    Attributes:
      checkpoints: folder for checkpoints, not made yet.
      weights: folder for the final weights, not made yet.
      result: how the run ended; None while it may be written to.
    """

    def __init__(self, folder: pathlib.Path, result: Result | None) -> None:
        self.checkpoints = folder / "checkpoints"
        self.weights = folder / "weights"
        self.result = result
        self._folder = folder
        self._events: Events | None = None
        path = folder / "metrics.jsonl"
        self._rows, self._ends = metrics.decode(path)
        with files.clear_refusal(folder):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        if result is None:
            self._cut(len(self._rows))  # heals a last line that was torn off

    @property
    def last_step(self) -> int:
        """Steps whose metrics are stored."""
        return self._rows[-1]["step"] if self._rows else 0

    def append(self, rows: Iterable[Row]) -> None:
        """Adds rows to the metrics; when this returns they are on the disk.

        A checkpoint of a step must be written after the metrics up to that step.
        """
        self._refuse_if_ended()
        for row in rows:
            count, first_step = len(self._rows), self.last_step + 1
            row, line = metrics.encode(row, self._rows[-1] if self._rows else None)
            with files.clear_refusal(self._folder):
                try:
                    files.write_all(self._file, line)
                    self._rows.append(row)
                    self._ends.append(sum(self._ends[-1:]) + len(line))
                except BaseException:  # no half a row on a full disk or after Ctrl-C
                    self._cut(count)
                    raise
                if self._events is None:
                    self._events = Events(self._folder, first_step)
                self._events.write(row)

    def truncate_after(self, step: int) -> None:
        """Drops the rows later than a checkpoint's step, before resuming from it."""
        self._refuse_if_ended()
        kept = sum(row["step"] <= step for row in self._rows)
        stored = self._rows[kept - 1]["step"] if kept else 0
        if step > stored:
            raise RunError(
                f"The metrics in {self._folder} end at step {stored}, before the "
                f"checkpoint of step {step}: delete this folder to train the run again."
            )
        self._cut(kept)

    def finish(self, result: Result) -> None:
        """Marks the run as ended: to be called last, after metrics and weights."""
        self._refuse_if_ended()
        if result.status == "finished" and result.steps != self.last_step:
            raise ValueError(
                f"A run of {result.steps} steps cannot finish with metrics that end at "
                f"step {self.last_step}."
            )
        files.write_json(self._folder / "result.json", dataclasses.asdict(result))
        self.result = result

    def close(self) -> None:
        """Closes the files; further writing fails."""
        if self._events:
            self._events.close()
        os.close(self._file)
        self._file = -1

    def _refuse_if_ended(self) -> None:
        if self.result:
            raise RunError(
                f"The run in {self._folder} has {self.result.status} and is not "
                f"written to again."
            )

    def _cut(self, count: int) -> None:
        """Keeps the first rows of the file."""
        with files.clear_refusal(self._folder):
            os.ftruncate(self._file, self._ends[count - 1] if count else 0)
            os.fsync(self._file)
        del self._rows[count:], self._ends[count:]


class Store:
    """Runs below one folder."""

    def __init__(self, root: pathlib.Path | str) -> None:
        self.root = pathlib.Path(root)

    def folder(self, run: config.Run) -> pathlib.Path:
        """Where a run is stored, whether it is there yet or not."""
        return self.root / names.run_hash(run)

    def result(self, run: config.Run) -> Result | None:
        """How the run ended, or None if it has not."""
        folder = self.folder(run)
        _check_config(folder, run)
        return _read_result(folder)

    def read_metrics(self, run: config.Run) -> Table:
        """The metrics stored so far, also of a run that another process is training."""
        folder = self.folder(run)
        _check_config(folder, run)
        rows, _ = metrics.decode(folder / "metrics.jsonl")
        if not rows:
            raise RunError(f"No metrics are stored in {folder}: train the run first.")
        result = _read_result(folder)
        if result and result.status == "finished" and result.steps != rows[-1]["step"]:
            raise RunError(
                f"{folder / 'metrics.jsonl'} ends at step {rows[-1]['step']} of "
                f"{result.steps}: delete the run's folder to train it again."
            )
        return metrics.table(rows)

    @contextlib.contextmanager
    def open(self, run: config.Run) -> Iterator[Handle]:
        """Holds a run for writing, making its folder if need be.

        The hold ends with the block, or with the process however it dies.

        Raises:
          RunError: another process holds the run, the folder cannot be written, or
            what is in it is damaged or belongs to another configuration.
        """
        folder = self.folder(run)
        with files.clear_refusal(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with files.lock(folder):
            stored = _check_config(folder, run)
            left = *folder.glob("checkpoints/[0-9]*"), *folder.glob("result.json")
            if not stored or not left:  # it starts, perhaps anew and by other versions
                description = {
                    "run": config.to_json(run),
                    "hash": names.run_hash(run),
                    "versions": versions(),
                    "date": now(),
                }
                files.write_json(folder / "config.json", description)
            handle = Handle(folder, _read_result(folder))
            try:
                yield handle
            finally:
                handle.close()

    def list(self) -> list[Entry]:
        """All runs in the store; the entry of a damaged one says what is wrong."""
        if not self.root.exists():
            return []
        try:
            folders = sorted(self.root.iterdir())
        except OSError as error:
            raise RunError(f"Cannot read {self.root}: {error.strerror}.") from error
        of_runs = (path for path in folders if re.fullmatch("[0-9a-f]{16}", path.name))
        return [_entry(path) for path in of_runs]


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide about numbers, stored with results."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **packages}


def now() -> str:
    """Date and time of day, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _entry(folder: pathlib.Path) -> Entry:
    run = None
    try:
        run = _stored_run(folder)
        if result := _read_result(folder):
            return Entry(folder, run, result.status, f"at step {result.steps}", result)
        if process := files.holder(folder):
            return Entry(folder, run, "running", f"by process {process}")
        rows, _ = metrics.decode(folder / "metrics.jsonl")
    except RunError as error:
        return Entry(folder, run, "damaged", str(error))
    step = rows[-1]["step"] if rows else 0
    return Entry(folder, run, "unfinished", f"at step {step}")


def _check_config(folder: pathlib.Path, run: config.Run) -> bool:
    """Whether the folder is this run's already; an error if it is another's."""
    stored = _stored_run(folder)
    if stored is not None and names.run_hash(stored) != names.run_hash(run):
        raise RunError(
            f"{folder} holds another configuration than the one its name stands for: "
            f"move it away or give another folder with --runs."
        )
    return stored is not None


def _stored_run(folder: pathlib.Path) -> config.Run | None:
    path = folder / "config.json"
    tree = files.read_json(path)
    if tree is None:
        if (folder / "metrics.jsonl").exists():
            raise files.damaged(path)
        return None
    try:
        return config.from_json(tree["run"])
    except ConfigError as error:  # perhaps the run of a later version
        raise RunError(f"{path} holds no run known here: {error}") from error
    except (KeyError, TypeError) as error:
        raise files.damaged(path) from error


def _read_result(folder: pathlib.Path) -> Result | None:
    path = folder / "result.json"
    tree = files.read_json(path)
    if tree is None:
        return None
    try:
        return Result(**tree)
    except (TypeError, ValueError) as error:
        raise files.damaged(path) from error
