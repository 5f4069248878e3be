"""The metrics of a run: JSON lines, one an evaluation, appended and never edited.

    {"step": 500, "losses": [2.3, …], "test_loss": 0.61, "train_loss": 0.58}

`step` counts the steps done, `losses` are the training losses of the mini-batches since
the row before, and every other key is one number of this evaluation. A row depends on
the run alone, never on the clock, so that an interrupted run writes the same bytes as
one that was left in peace. Numbers that are not finite are written as JavaScript does
(NaN, Infinity), which `json` reads back.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.errors import RunError
from experiments.runs.files import read_bytes

Row = Mapping[str, Any]


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
    return plain, json.dumps(plain).encode() + b"\n"


def decode(path: pathlib.Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows of a file, none if there is no file, and where each of them ends.

    A last line without its end is left out: its writer was killed, or is still busy.

    Raises:
      RunError: any other damage, with the file and the line.
    """
    content = read_bytes(path) or b""
    rows: list[dict[str, Any]] = []
    ends: list[int] = []
    end = 0
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        row: Any = None
        try:
            row = json.loads(line)
            fault = _fault(row, rows[-1] if rows else None)
        except (ValueError, RecursionError):
            fault = "it is not JSON"
        if fault:
            raise RunError(
                f"Line {number} of {path} is damaged, {fault}: delete the run's "
                f"folder to train it again."
            )
        end += len(line) + 1
        rows.append(row)
        ends.append(end)
    return rows, ends


def table(rows: Sequence[Row]) -> Table:
    """Columns of the given rows; all rows have the keys of the first."""
    names = rows[0].keys() - {"step", "losses"} if rows else set()
    return Table(
        losses=np.array([loss for row in rows for loss in row["losses"]], np.float32),
        steps=np.array([row["step"] for row in rows], np.int64),
        columns={
            name: np.array([row[name] for row in rows], np.float32)
            for name in sorted(names)
        },
    )


def _fault(row: Any, previous: Row | None) -> str | None:
    """What is wrong with a row that follows `previous`, or None."""
    if not isinstance(row, dict) or not {"step", "losses"} <= row.keys():
        return "it lacks step or losses"
    step, losses = row["step"], row["losses"]
    if type(step) is not int or step < 0:
        return f"its step is {step!r}"
    if not isinstance(losses, list) or not all(type(x) is float for x in losses):
        return "its losses are not a list of numbers"
    for name in row.keys() - {"step", "losses"}:
        if type(row[name]) is not float:
            return f"its {name} is {row[name]!r}"
    done = previous["step"] if previous else 0
    if len(losses) != step - done or (previous and step == done):
        return f"it has {len(losses)} losses for the steps from {done} to {step}"
    if previous and row.keys() != previous.keys():
        return f"its columns are not those of the row before: {sorted(row)}"
    return None
