"""What a claim is: something that a source says, and how it is tried, as data."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.claims.intervals import Interval
from experiments.claims.rate_search import Found, Search
from experiments.runs import config
from experiments.runs.summary import Summary

Table = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number that every run of a claim is measured by.

    Attributes:
      name: what it is, as the head of a column.
      of: measures a run.
      digits: shown after the point.
    """

    name: str
    of: Callable[[Summary], float]
    digits: int = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """A trial by training runs.

    Attributes:
      quantity: what the runs are measured by.
      runs: label → runs that differ in their seed only.
      tuned: label → the search that precedes its runs.
      also: further quantities that the report shows.
    """

    quantity: Quantity
    runs: Mapping[str, tuple[config.Run, ...]] = dataclasses.field(default_factory=dict)
    tuned: Mapping[str, Search] = dataclasses.field(default_factory=dict)
    also: tuple[Quantity, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the trial of a claim has shown.

    Attributes:
      values: label → the claim's quantity, over the seeds.
      runs: label → one summary a seed; of a training.
      searches: label → the search that preceded the runs.
      table: of a calculation.
    """

    values: Mapping[str, Interval]
    runs: Mapping[str, Sequence[Summary]] = dataclasses.field(default_factory=dict)
    searches: Mapping[str, Found] = dataclasses.field(default_factory=dict)
    table: Table = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calculation:
    """A trial by calculation; no run is stored.

    Attributes:
      quantity: what the values are, as the head of a column.
      table: calculates all that the rule and the figure need: a tree of JSON values.
      values: label → the table's number for it, with its interval if it has one.
      digits: shown after the point.
    """

    quantity: str
    table: Callable[[], Table]
    values: Callable[[Table], Mapping[str, float | Interval]]
    digits: int = 3

    def evidence(self, table: Table) -> Evidence:
        """What a table shows."""
        values = {
            label: one if isinstance(one, Interval) else Interval(float(one), None)
            for label, one in self.values(table).items()
        }
        return Evidence(values=values, table=table)


Measure = Callable[[Evidence], float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """A part of a rule: something measured, and a bound on it.

    Attributes:
      text: what must be true.
      measure: the number that decides; NaN, as from a run that diverged, is never
        within bounds.
      least: smallest value allowed.
      greatest: largest value allowed.
    """

    text: str
    measure: Measure
    least: float = -float("inf")
    greatest: float = float("inf")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure of the evidence.

    Attributes:
      name: of its file, without the ending.
      draw: draws it, as a figure of Matplotlib.
    """

    name: str
    draw: Callable[[Evidence], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that a source says, and how it is tried.

    Attributes:
      id: its name in the report and on the command line.
      source: where it is said.
      statement: what is said.
      protocol: how it was tried there and is tried here.
      trial: what tries it.
      published: label → the value in the source, where it has one.
      tolerance: how far from it a value still counts as reproduced.
      rule: holds if all of its conditions do.
      figure: drawn from the evidence.
      costly: what the trial takes, if that is so much that it starts only when the
        claim is asked for by its id.
    """

    id: str
    source: str
    statement: str
    protocol: str
    trial: Training | Calculation
    published: Mapping[str, float] = dataclasses.field(default_factory=dict)
    tolerance: float = 0.0
    rule: tuple[Condition, ...]
    figure: Drawing | None = None
    costly: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """The claims of one source document.

    Attributes:
      name: of its folder of results.
      title: of the source.
      claims: in the order of the source.
    """

    name: str
    title: str
    claims: tuple[Claim, ...]
