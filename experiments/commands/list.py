"""`list`: the stored runs, and what other commands can be asked for by name."""

import dataclasses
import functools
import inspect
import pathlib
import re
from collections.abc import Callable
from typing import Literal

from rich.table import Column, Table
from tyro.conf import Positional

from experiments.claims.report import verdict
from experiments.commands.report import RESULTS, judge
from experiments.commands.train import Path, stored_runs, terminal
from experiments.errors import ConfigError
from experiments.runs import names
from experiments.runs.store import Store


@dataclasses.dataclass(frozen=True, kw_only=True)
class List:
    """Lists the stored runs, or what there is to train, to train on and to reproduce.

    Example: python -m experiments list claims

    Attributes:
      what: runs, and how far they have come; claims, with their verdicts from the
        results that come with the code; or the names of optimizers, networks and
        datasets.
      runs: folder of the stored runs (default: $OPTAX_SIGN_RUNS, or runs).
    """

    what: Positional[
        Literal["runs", "claims", "optimizers", "networks", "datasets"]
    ] = "runs"
    runs: Path = None


def run(options: List) -> int:
    """Prints a line each."""
    if options.runs is not None and options.what != "runs":
        raise ConfigError(
            f"runs must be left out where {options.what} are listed, got "
            f"{options.runs}."
        )
    folder = options.runs or stored_runs()
    tables = {
        "runs": functools.partial(_runs, folder),
        "claims": _claims,
        "optimizers": _optimizers,
        "networks": _networks,
        "datasets": _datasets,
    }
    table, console = tables[options.what](), terminal()
    if table.rows:
        console.print(table)
    else:
        console.print(f"No runs are stored in {folder}.", soft_wrap=True)
    return 0


def _runs(folder: pathlib.Path) -> Table:
    table = _table("run", "network", "optimizer", "seed", "status", "test accuracy")
    for entry in Store(folder).list():
        run, result = entry.run, entry.result
        accuracy = result.metrics.get("test_accuracy") if result else None
        table.add_row(
            entry.folder.name,
            run.model if run else "",
            names.spell(run.optimizer) if run else "",
            str(run.seed) if run else "",
            f"{entry.status} {entry.detail}",
            "" if accuracy is None else f"{accuracy:.2%}",
        )
    return table


def _claims() -> Table:
    table = _table("claim", "what is said", "verdict")
    for _, judgements in judge(RESULTS):
        for judgement in judgements:
            claim = judgement.claim
            table.add_row(claim.id, claim.statement, verdict(judgement))
    return table


def _optimizers() -> Table:
    from experiments.training import optimizers

    table = _table("optimizer", "default rate", "what it is")
    for name, row in optimizers.OPTIMIZERS.items():
        table.add_row(name, f"{row.rate:g}", first_line(row.make))
    return table


def _networks() -> Table:
    from experiments.networks import catalogue

    table = _table("network", "what it is")
    for name, make in catalogue.NETWORKS.items():
        table.add_row(name, first_line(make))
    return table


def _datasets() -> Table:
    from experiments.data import datasets

    table = _table("data set", "what it is")
    for name, source in datasets.DATASETS.items():
        table.add_row(name, first_line(source.load))
    return table


def _table(*heads: str) -> Table:
    return Table(*(Column(head, overflow="fold") for head in heads))


def first_line(made: Callable) -> str:
    """What a function or class says of itself in its first line."""
    if isinstance(made, functools.partial):
        given = ", ".join(f"{name}={value}" for name, value in made.keywords.items())
        return f"{first_line(made.func).removesuffix('.')}; {given}."
    line = inspect.cleandoc(made.__doc__ or "").partition("\n")[0]
    return re.sub(":[a-z]+:`(.*?)`", r"\1", line)  # Sphinx's way to refer to a name
