"""`compare`: several optimizers on the same network and seeds, as a table."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from rich.table import Column, Table
from tyro.conf import Positional, arg

from experiments.claims import intervals
from experiments.commands.train import (
    AllSettings,
    AnyPlace,
    Place,
    Settings,
    exit_code,
    runs_of,
    terminal,
    train,
)
from experiments.errors import ConfigError
from experiments.runs import names
from experiments.runs.summary import Summary


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare:
    """Trains several optimizers on the same network and seeds and prints a table.

    Example: python -m experiments compare mas adam sgd --seeds 5

    Attributes:
      optimizers: their names (see: list optimizers), or with options as in
        adam,learning_rate=0.01,b1=0.5.
    """

    optimizers: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="OPTIMIZER ...", help_behavior_hint="(required)"),
    ]
    settings: AllSettings = dataclasses.field(default_factory=Settings)
    place: AnyPlace = dataclasses.field(default_factory=Place)


def run(options: Compare) -> int:
    """Trains and prints; the exit code tells whether a run diverged."""
    if not options.optimizers:
        raise ConfigError(
            "compare needs one optimizer at least, as in: compare mas adam."
        )
    rows = {word: runs_of(word, options.settings) for word in options.optimizers}
    runs = [run for row in rows.values() for run in row]
    console = terminal()
    summaries = train(runs, options.place, console)
    by_run = dict(zip(runs, summaries, strict=True))
    console.print(_table({w: [by_run[r] for r in row] for w, row in rows.items()}))
    return exit_code(summaries)


def _table(rows: Mapping[str, Sequence[Summary]]) -> Table:
    heads = (
        *("seeds", "smoothed train loss", "train loss", "test loss"),
        *("test accuracy, %", "state, B/weight", "seconds"),
    )
    table = Table(
        Column("optimizer", overflow="fold"),
        *(Column(head, justify="right") for head in heads),
        title="Mean and 95 % interval over the seeds, at the end of training",
    )
    for summaries in rows.values():
        whole = [s for s in summaries if s.result.status == "finished"]
        diverged = len(summaries) - len(whole)
        table.add_row(
            names.spell(summaries[0].run.optimizer),
            f"{len(whole)}" + (f", {diverged} diverged" if diverged else ""),
            _cell(whole, lambda s: s.final_loss),
            _cell(whole, lambda s: s.result.metrics["train_loss"]),
            _cell(whole, lambda s: s.result.metrics["test_loss"]),
            _cell(whole, lambda s: 100 * s.result.metrics["test_accuracy"], digits=2),
            f"{summaries[0].bytes_per_weight:.2f}",
            f"{sum(s.result.seconds for s in summaries):.1f}",
        )
    return table


def _cell(
    summaries: Sequence[Summary], of: Callable[[Summary], float], digits: int = 3
) -> str:
    if not summaries:
        return "–"
    return intervals.interval([of(summary) for summary in summaries]).text(digits)
