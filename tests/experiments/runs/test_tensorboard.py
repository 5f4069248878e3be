"""TensorBoard's view of a run."""

import math
import pathlib
import time

from tensorboardX.proto import event_pb2

from tests.experiments.stored_runs import RUN, row


def events(path: pathlib.Path):
    """The events of a file: each record is framed by 12 bytes before and 4 after."""
    data, read = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little")
        read.append(event_pb2.Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    return read


def test_what_is_not_finite_is_left_out_without_a_warning(store, folder, caplog):
    with store.open(RUN) as handle:
        handle.truncate_after(2)
        handle.append([row(4) | {"train_loss": math.nan, "test_loss": math.inf}])
    newest = max(folder.glob("events.*"))
    tags = {value.tag for event in events(newest) for value in event.summary.value}
    assert tags == {"batch_loss"}
    assert not caplog.records


def test_tensorboard_sees_every_loss_once(store, folder, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)  # the clock has gone back
    with store.open(RUN) as handle:
        handle.truncate_after(2)
        handle.append([row(4)])
        handle.append([row(6)])
    files = sorted(folder.glob("events.*"))  # in TensorBoard's order
    assert len(files) == 2
    shown = {}
    for path in files:
        for event in events(path):
            if event.HasField("session_log"):
                assert event.session_log.status == event_pb2.SessionLog.START
                shown = {k: v for k, v in shown.items() if k[1] < event.step}
            for value in event.summary.value:
                assert (value.tag, event.step) not in shown
                shown[value.tag, event.step] = value.simple_value
    table = store.read_metrics(RUN)
    expected = {
        ("batch_loss", step): loss for step, loss in enumerate(table.losses, start=1)
    }
    for name, column in table.columns.items():
        expected |= {(name, s): x for s, x in zip(table.steps, column, strict=True)}
    assert shown == expected
