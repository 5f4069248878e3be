"""The metrics of a run as TensorBoard shows them."""

import contextlib
import math
import pathlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from tensorboardX import event_file_writer, summary
from tensorboardX.proto import event_pb2

from experiments.runs import config

# The type checker does not see the classes that protobuf makes when it is imported.
Event: Any = vars(event_pb2)["Event"]
SessionLog: Any = vars(event_pb2)["SessionLog"]


class Events:
    """One event file of a run, flushed after every row.

    tensorboardX's SummaryWriter hands events to a thread through a queue of ten: on a
    full disk the thread dies and the queue then blocks training for ever. Here its
    writer of event files is used without the thread, and the error can be reported.
    """

    def __init__(
        self, folder: pathlib.Path, first_step: int, run: config.Run, names: Iterable
    ) -> None:
        """Begins a file of the run in a folder, with the names of what it measures."""
        folder.mkdir(exist_ok=True)
        # TensorBoard reads files in the order of their names. The time of day, which
        # tensorboardX puts into them, may go back.
        number = len(list(folder.glob("events.*")))
        prefix = str(folder / f"events.part{number:06}")
        self._writer = event_file_writer.EventsWriter(prefix)
        # TensorBoard hides what earlier files say about this step and the later ones.
        start = SessionLog(status=SessionLog.START)
        self._writer.write_event(Event(session_log=start, step=first_step))
        for told in summary.hparams(_hyperparameters(run), dict.fromkeys(names)):
            self._writer.write_event(Event(wall_time=time.time(), summary=told))

    def write(self, row: Mapping[str, Any]) -> None:
        """Adds a row of metrics: a scalar for every loss and every other number.

        What is not finite, as at the end of a run that diverged, is in the table only:
        tensorboardX would warn of it.
        """
        now = time.time()
        last, losses = row["step"], row["losses"]
        scalars = [
            ("batch_loss", step, loss)
            for step, loss in enumerate(losses, start=last - len(losses) + 1)
        ]
        scalars += [(k, last, row[k]) for k in row if k not in ("step", "losses")]
        for tag, step, value in scalars:
            if not math.isfinite(value):
                continue
            event = Event(wall_time=now, step=step, summary=summary.scalar(tag, value))
            self._writer.write_event(event)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file; what a full disk refuses now was refused by `write` too."""
        with contextlib.suppress(OSError):
            self._writer.close()


def _hyperparameters(run: config.Run) -> dict[str, Any]:
    """What TensorBoard compares runs by."""
    tree = config.to_json(run)
    optimizer = tree.pop("optimizer")
    rest = {"optimizer": optimizer["name"], "schedule": optimizer["schedule"]["name"]}
    return (
        {**optimizer["options"], "learning_rate": optimizer["learning_rate"]}
        | tree
        | rest
    )
