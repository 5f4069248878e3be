"""The stored tables of calculations, with versions, date and duration."""

import dataclasses
import pathlib
import time
from collections.abc import Mapping
from typing import Any

from experiments.claims.claim import Calculation, Table
from experiments.runs import store, tables


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calculated:
    """A stored calculation.

    Attributes:
      claim: id of the claim that it tries.
      table: what came out.
      versions: of Python and of the packages that it ran with.
      date: when it began.
      seconds: how long it took.
    """

    claim: str
    table: Table
    versions: Mapping[str, str]
    date: str
    seconds: float


def path(folder: pathlib.Path) -> pathlib.Path:
    """Where the calculations of a study are."""
    return folder / "calculations.jsonl"


def calculate(claim: str, calculation: Calculation) -> Calculated:
    """Calculates the table of a claim."""
    date, begin = store.now(), time.perf_counter()
    table = calculation.table()
    seconds = time.perf_counter() - begin
    return Calculated(
        claim=claim, table=table, versions=store.versions(), date=date, seconds=seconds
    )


def save(folder: pathlib.Path, calculated: Calculated) -> None:
    """Adds a calculation to those of a study; of two of one claim, the later counts.

    Raises:
      OutputError: the folder cannot be written to.
    """
    tables.append(path(folder), tables.rounded(dataclasses.asdict(calculated)))


def load(folder: pathlib.Path, claim: str) -> Calculated | None:
    """The calculation of a claim, None if there is none.

    Raises:
      RunError: its row is not what was written.
    """
    return tables.find(path(folder), _parse, claim)


def _parse(row: dict[str, Any]) -> tuple[str, Calculated]:
    del row["digest"]
    return row["claim"], Calculated(**row)
