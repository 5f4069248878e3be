"""The store of runs: one folder a run, named by the hash of its configuration.

A folder holds `config.json` (the run, versions, date), `metrics.jsonl` (see
`metrics.py`), the same for TensorBoard as `events.*` in a folder that bears the run's
name, which it shows, `checkpoints/`, `weights/`, `lock`
and, once the run has ended, `result.json`. The result is written last: where it
stands, everything else is complete, and nothing in the folder is written again. It
holds the digests of the other files, and every JSON object one of itself: what has
changed since is refused.
"""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import math
import os
import pathlib
import platform
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from experiments.errors import ConfigError, RunError
from experiments.runs import config, files, metrics, names, results
from experiments.runs.metrics import Row, Table
from experiments.runs.results import Result
from experiments.runs.tensorboard import Events

# Those that decide about numbers.
PACKAGES = ("jax", "jaxlib", "flax", "optax", "optax-sign", "numpy")


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

    def __init__(
        self, folder: pathlib.Path, run: config.Run, result: Result | None
    ) -> None:
        self._run = run
        self.checkpoints = folder / "checkpoints"
        self.weights = folder / "weights"
        self.result = result
        self._folder = folder
        self._events: Events | None = None
        self._path = folder / "metrics.jsonl"
        self._last, size = _last_row(self._path)
        with files.clear_refusal(folder):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._file = os.open(self._path, flags, 0o666)
        if result is None:
            self._cut(self._last, size)  # heals a last line that was torn off

    @property
    def last_step(self) -> int:
        """Steps whose metrics are stored."""
        return self._last["step"] if self._last else 0

    def append(self, rows: Iterable[Row]) -> None:
        """Adds rows to the metrics; when this returns they are on the disk.

        A checkpoint of a step must be written after the metrics up to that step.
        """
        self._refuse_if_ended()
        for row in rows:
            last, first_step = self._last, self.last_step + 1
            row, line = metrics.encode(row, last)
            with files.clear_refusal(self._folder):
                size = os.fstat(self._file).st_size
                try:
                    files.write_all(self._file, line)
                    self._last = row
                except BaseException:  # no half a row on a full disk or after Ctrl-C
                    self._cut(last, size)
                    raise
                if self._events is None:
                    measured = sorted(row.keys() - metrics.BARE)
                    shown = self._folder / names.title_of(self._run)
                    self._events = Events(shown, first_step, self._run, measured)
                self._events.write(row)

    def truncate_after(self, step: int) -> None:
        """Drops the rows later than a checkpoint's step, before resuming from it."""
        self._refuse_if_ended()
        if step > self.last_step:
            raise RunError(
                f"The metrics in {self._folder} end at step {self.last_step}, before "
                f"the checkpoint of step {step}: delete this folder to train the run "
                f"again."
            )
        self._cut(*_last_row(self._path, step))

    def finish(self, result: Result) -> None:
        """Marks the run as ended: to be called last, after metrics and weights."""
        self._refuse_if_ended()
        if result.status == "finished" and result.steps != self.last_step:
            raise ValueError(
                f"A run of {result.steps} steps cannot finish with metrics that end at "
                f"step {self.last_step}."
            )
        results.write(self._folder, result)
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

    def _cut(self, last: dict[str, Any] | None, size: int) -> None:
        """Keeps the file up to this row, which ends there."""
        with files.clear_refusal(self._folder):
            os.ftruncate(self._file, size)
            os.fsync(self._file)
        self._last = last


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
        return results.read(folder)

    def read_rows(self, run: config.Run) -> Iterator[Row]:
        """The metrics stored so far, also of a run that another process is training."""
        self.result(run)  # which looks at all files of a run that has ended
        row = None
        for row, _ in metrics.read(self.folder(run) / "metrics.jsonl"):
            yield row
        if row is None:
            raise RunError(
                f"No metrics are stored in {self.folder(run)}: train the run first."
            )

    def read_metrics(self, run: config.Run) -> Table:
        """The same as columns."""
        return metrics.table(self.read_rows(run))

    @contextlib.contextmanager
    def open(self, run: config.Run) -> Iterator[Handle]:
        """Holds a run for writing, making its folder if need be.

        The hold ends with the block, or with the process however it dies.

        Raises:
          RunError: another process holds the run, the folder cannot be written, or
            what is in it is damaged or belongs to another configuration.
        """
        folder = self.folder(run)
        if (name := str(folder)) != name.encode(errors="replace").decode():
            raise RunError(  # tensorstore's answer, after training
                f"Cannot write to {ascii(name)}, which is not in UTF-8: name another "
                f"place with --runs."
            )
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
            handle = Handle(folder, run, results.read(folder))
            try:
                yield handle
            finally:
                handle.close()

    def list(self) -> list[Entry]:
        """All runs in the store; the entry of a damaged one says what is wrong."""
        try:
            folders = sorted(self.root.iterdir())
        except FileNotFoundError:
            return []
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
        if result := results.read(folder):
            return Entry(folder, run, result.status, f"at step {result.steps}", result)
        if process := files.holder(folder):
            return Entry(folder, run, "running", f"by process {process}")
        last, _ = _last_row(folder / "metrics.jsonl")
    except RunError as error:
        return Entry(folder, run, "damaged", str(error))
    step = last["step"] if last else 0
    return Entry(folder, run, "unfinished", f"at step {step}")


def _last_row(
    path: pathlib.Path, step: float = math.inf
) -> tuple[dict[str, Any] | None, int]:
    """The last row of metrics that is not beyond a step, and where it ends."""
    last, size = None, 0
    for row, end in metrics.read(path):
        if row["step"] <= step:
            last, size = row, end
    return last, size


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
        if os.path.lexists(folder / "metrics.jsonl"):
            raise files.damaged(path)
        return None
    try:
        _ = tree["versions"], tree["date"]
        return config.from_json(tree["run"])
    except ConfigError as error:  # perhaps the run of a later version
        raise RunError(f"{path} holds no run known here: {error}") from error
    except (KeyError, TypeError, RecursionError) as error:
        raise files.damaged(path) from error
