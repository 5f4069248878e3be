"""`compare`: several optimizers on the same network and seeds, as a table."""

from collections.abc import Callable, Mapping, Sequence

from rich.table import Table

from experiments.claims import intervals
from experiments.commands import options, session
from experiments.errors import ConfigError
from experiments.runs import spelling
from experiments.runs.summary import Summary


def run(options: options.Compare) -> int:
    """Trains and prints; the exit code tells whether a run diverged."""
    if not options.optimizers:
        raise ConfigError(
            "compare needs one optimizer at least, as in: compare mas adam."
        )
    rows = {word: session.runs(word, options.settings) for word in options.optimizers}
    runs = [run for row in rows.values() for run in row]
    console = session.console()
    summaries = session.train(runs, options.place, console)
    by_run = dict(zip(runs, summaries, strict=True))
    console.print(_table({w: [by_run[r] for r in row] for w, row in rows.items()}))
    return session.exit_code(summaries)


def _table(rows: Mapping[str, Sequence[Summary]]) -> Table:
    table = Table(title="Mean and 95 % interval over the seeds, at the end of training")
    table.add_column("optimizer", overflow="fold")
    for head in (
        "seeds",
        "smoothed train loss",
        "train loss",
        "test loss",
        "test accuracy, %",
        "state, B/weight",
        "seconds",
    ):
        table.add_column(head, justify="right")
    for summaries in rows.values():
        whole = [s for s in summaries if s.result.status == "finished"]
        diverged = len(summaries) - len(whole)
        table.add_row(
            spelling.spell(summaries[0].run.optimizer),
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
