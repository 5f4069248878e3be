"""What the claims are built with that are calculated."""

import importlib
from collections.abc import Callable
from typing import Any

from experiments.claims.claim import Evidence, Table
from experiments.claims.intervals import exactly

__all__ = ["calculated", "drawn", "exactly"]


def calculated(module: str, function: str = "table") -> Callable[[], Table]:
    """Calculates a table; imports its module only then, as it loads JAX."""

    def calculate() -> Table:
        exact = importlib.import_module(f"experiments.studies.{module}")
        return getattr(exact, function)()

    return calculate


def drawn(module: str, name: str) -> Callable[[Evidence], Any]:
    """Draws a figure from the table; imports its module only then."""

    def draw(evidence: Evidence) -> Any:
        figures = importlib.import_module(f"experiments.studies.{module}")
        return getattr(figures, name)(evidence.table)

    return draw
