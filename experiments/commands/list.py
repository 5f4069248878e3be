"""`list`: the stored runs."""

from rich.table import Table

from experiments.commands import options, session
from experiments.runs import spelling
from experiments.runs.store import Store


def run(options: options.List) -> int:
    """Prints a line a run."""
    console = session.console()
    entries = Store(options.runs).list()
    if not entries:
        console.print(f"No runs are stored in {options.runs}.", soft_wrap=True)
        return 0
    table = Table()
    for head in ("run", "network", "optimizer", "seed", "status", "test accuracy"):
        table.add_column(head, overflow="fold")
    for entry in entries:
        run, result = entry.run, entry.result
        accuracy = result.metrics.get("test_accuracy") if result else None
        table.add_row(
            entry.folder.name,
            run.model if run else "",
            spelling.spell(run.optimizer) if run else "",
            str(run.seed) if run else "",
            f"{entry.status} {entry.detail}",
            "" if accuracy is None else f"{accuracy:.2%}",
        )
    console.print(table)
    return 0
