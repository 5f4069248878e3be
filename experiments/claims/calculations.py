"""The stored tables of calculations, with their digest, versions, date and duration."""

import dataclasses
import pathlib
import time
from collections.abc import Mapping
from typing import Any

from experiments.claims.claim import Calculation, Table
from experiments.runs import signed, store


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calculated:
    """A stored calculation.

    Attributes:
      table: what came out.
      versions: of Python and of the packages that it ran with.
      date: when it began.
      seconds: how long it took.
    """

    table: Table
    versions: Mapping[str, str]
    date: str
    seconds: float


def path(folder: pathlib.Path, claim_id: str) -> pathlib.Path:
    """Where the table of a claim is."""
    return folder / f"{claim_id}.json"


def calculate(calculation: Calculation) -> Calculated:
    """Calculates the table of a claim."""
    date, begin = store.now(), time.perf_counter()
    table = calculation.table()
    seconds = time.perf_counter() - begin
    return Calculated(
        table=table, versions=store.versions(), date=date, seconds=seconds
    )


def save(folder: pathlib.Path, claim_id: str, calculated: Calculated) -> None:
    """Writes a table, whole or not at all.

    Raises:
      OutputError: the folder cannot be written to.
    """
    tree: dict[str, Any] = {"claim": claim_id, **dataclasses.asdict(calculated)}
    tree["seconds"] = signed.rounded(calculated.seconds)
    tree["table"] = signed.rounded(calculated.table)
    signed.write(path(folder, claim_id), tree)


def load(folder: pathlib.Path, claim_id: str) -> Calculated | None:
    """Reads the table of a claim, None if there is none.

    Raises:
      RunError: the table is not what was written, or is that of another claim.
    """
    place = path(folder, claim_id)

    def parse(tree: dict[str, Any]) -> Calculated:
        if (stored := tree.pop("claim")) != claim_id:
            raise signed.refusal(place, f"is the table of {stored}")
        return Calculated(**tree)

    return signed.read(place, parse)
