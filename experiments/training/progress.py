"""What a user sees of training: a bar on a terminal, one line a run that has ended."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Self

from rich import progress as bars
from rich.console import Console

from experiments.runs import config, names
from experiments.runs.store import Result, Store


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the runs that are being trained side by side have come.

    Attributes:
      runs: those still being trained.
      step: steps done by the one that is least far.
      total: steps to do.
      loss: mean over these runs and their steps since the last event; NaN at first.
      images_per_second: of all runs together since the last event; 0 at first.
    """

    runs: tuple[config.Run, ...]
    step: int
    total: int
    loss: float
    images_per_second: float


class Watch:
    """Follows runs that are being trained; give it to `training.train`.

    The lines appear on any console, the bar on a terminal only.
    """

    def __init__(
        self,
        console: Console,
        store: Store,
        runs: Sequence[config.Run],
        on_end: Callable[[config.Run, Result], None],
    ) -> None:
        """Waits for the end of the runs; `on_end` is called with each that ended."""
        self._console = console
        self._store = store
        self._pending = list(dict.fromkeys(runs))
        self._count = len(self._pending)
        self._on_end = on_end
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=None),
            bars.TaskProgressColumn(),
            bars.TextColumn("{task.fields[figures]}"),
            bars.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            expand=True,
            transient=True,
        )
        self._task = self._bar.add_task("preparing", total=None, figures="")
        self._group = ""

    def __enter__(self) -> Self:
        """Shows the bar."""
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Removes the bar; after an error, what has ended before it is told."""
        try:
            self._tell_ended()
        finally:
            self._bar.stop()

    def __call__(self, event: Progress) -> None:
        """Takes an event of the training loop."""
        self._tell_ended()
        if not event.runs:  # the last of them have just diverged
            return
        group = names.group_key(event.runs[0])
        if group != self._group:  # a new bar, so that its time starts anew
            self._group = group
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task("", total=event.total, figures="")
        figures = ""
        if event.images_per_second:  # nothing has been measured at first
            figures = f"loss {event.loss:.3f}  {event.images_per_second:,.0f} img/s"
        run, seeds = event.runs[0], " ".join(str(run.seed) for run in event.runs)
        title = f"{run.optimizer.name} on {run.model}, seed {seeds}"
        self._bar.update(
            self._task, completed=event.step, description=title, figures=figures
        )

    def _tell_ended(self) -> None:
        for run in tuple(self._pending):
            result = self._store.result(run)
            if result is None:
                continue
            self._pending.remove(run)
            self._on_end(run, result)
            number = f"{self._count - len(self._pending)} of {self._count}"
            said = f"({number}) {names.name_of(run)}: {_end(result)}"
            self._console.print(said, soft_wrap=True)


def _end(result: Result) -> str:
    if result.status == "diverged":
        return f"diverged at step {result.steps}."
    loss, accuracy = result.metrics["train_loss"], result.metrics["test_accuracy"]
    return (
        f"training loss {loss:.3f}, test accuracy {accuracy:.2%}, "
        f"{result.seconds:.1f} s."
    )
