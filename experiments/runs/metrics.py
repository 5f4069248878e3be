"""The metrics of a run: JSON lines, one an evaluation, appended and never edited.

    {"step": 500, "losses": [2.3, …], "test_loss": 0.61, …, "digest": "6b86b273…"}

`step` counts the steps done, `losses` are the training losses of the mini-batches since
the row before, and every other key is one number of this evaluation; where evaluations
are far apart, rows between them hold losses alone. A row depends on the run alone,
never on the clock, so that an interrupted run writes the same bytes as one that was
left in peace. Numbers that are not finite are written as JavaScript does
(NaN, Infinity), which `json` reads back.

A table is read row by row: it may be longer than memory takes.
"""

import array
import dataclasses
import itertools
import json
import math
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from experiments.data import reading
from experiments.errors import RunError
from experiments.runs import files

Row = Mapping[str, Any]

# The keys of a row that is no evaluation.
BARE = {"step", "losses"}

# Far beyond the longest line that is written; one without an end is not read whole.
LONGEST = 1 << 24


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """The metrics of a run as columns.

    Attributes:
      losses: float32 [steps], the training loss of each step's mini-batch, from step 1.
      steps: int64 [evaluations], the steps done at each evaluation.
      columns: name → float32 [evaluations], the other numbers of the evaluations.
    """

    losses: np.ndarray
    steps: np.ndarray
    columns: Mapping[str, np.ndarray]


def encode(row: Row, previous: Row | None) -> tuple[dict[str, Any], bytes]:
    """The row in plain numbers and as a line; `previous` is the row it follows.

    Every float32 is written with the digits of the float64 of the same value, so it
    comes back exactly.
    """
    plain: dict[str, Any] = {
        "step": row["step"],
        "losses": np.asarray(row["losses"], np.float32).tolist(),
    }
    for name in sorted(row.keys() - plain.keys()):
        plain[name] = float(np.float32(row[name]))
    if fault := _fault(plain, previous):
        raise ValueError(f"A row of metrics cannot be stored: {fault}.")
    return plain, files.signed(plain) + b"\n"


def read(path: pathlib.Path) -> Iterator[tuple[dict[str, Any], int]]:
    """The rows of a file in turn and where each ends; none if there is no file.

    A last line without its end is left out: its writer was killed, or is still busy.

    Raises:
      RunError: any other damage, with the file and the line.
    """
    end, row = 0, None
    try:
        with reading.opened(path, math.inf) as file:
            for number in itertools.count(1):
                line = file.readline(LONGEST)
                if not line.endswith(b"\n") and len(line) < LONGEST:
                    return
                row, fault = _parsed(line, row)
                if fault:
                    raise RunError(
                        f"Line {number} of {path} is damaged, {fault}: delete the "
                        f"run's folder to train it again."
                    )
                end += len(line)
                yield row, end
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error


def table(rows: Iterable[Row]) -> Table:
    """Columns of the given rows; those with losses alone are no evaluations."""
    losses = array.array("f")
    evaluations = []
    for row in rows:
        losses.extend(row["losses"])
        if len(row) > len(BARE):
            evaluations.append({name: row[name] for name in row if name != "losses"})
    names = evaluations[0].keys() - {"step"} if evaluations else set()
    return Table(
        losses=np.array(losses, np.float32),
        steps=np.array([row["step"] for row in evaluations], np.int64),
        columns={
            name: np.array([row[name] for row in evaluations], np.float32)
            for name in sorted(names)
        },
    )


def _parsed(line: bytes, previous: Row | None) -> tuple[Any, str | None]:
    """The row of a line that follows `previous`, and what is wrong with it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None, "it is not JSON"
    if isinstance(row, dict):
        row.pop("digest", None)
    signed = files.is_signed(line.removesuffix(b"\n"))
    return row, _fault(row, previous) or (
        None if signed else "it does not match its digest"
    )


def _fault(row: Any, previous: Row | None) -> str | None:
    """What is wrong with a row that follows `previous`, or None."""
    if not isinstance(row, dict) or not row.keys() >= BARE:
        return "it lacks step or losses"
    step, losses = row["step"], row["losses"]
    if type(step) is not int or step < 0:
        return f"its step is {step!r}"
    if not isinstance(losses, list) or not all(type(x) is float for x in losses):
        return "its losses are not a list of numbers"
    for name in row.keys() - BARE:
        if type(row[name]) is not float:
            return f"its {name} is {row[name]!r}"
    done = previous["step"] if previous else 0
    if len(losses) != step - done or (previous and step == done):
        return f"it has {len(losses)} losses for the steps from {done} to {step}"
    known = [r.keys() for r in (previous, row) if r and r.keys() != BARE]
    if len(known) == 2 and known[0] != known[1]:
        return f"its columns are not those of the row before: {sorted(row)}"
    return None
