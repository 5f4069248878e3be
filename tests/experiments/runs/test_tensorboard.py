"""TensorBoard's view of a run."""

import dataclasses
import math
import pathlib
import time

from tensorboardX.proto import event_pb2, plugin_hparams_pb2

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
    newest = max(folder.glob("*/events.*"))
    tags = {value.tag for event in events(newest) for value in event.summary.value}
    assert {tag for tag in tags if "hparams" not in tag} == {"batch_loss"}
    assert not caplog.records


def test_tensorboard_sees_every_loss_once(store, folder, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)  # the clock has gone back
    with store.open(RUN) as handle:
        handle.truncate_after(2)
        handle.append([row(4)])
        handle.append([row(6)])
    files = sorted(folder.glob("*/events.*"))  # in TensorBoard's order
    assert len(files) == 2
    shown = {}
    for path in files:
        for event in events(path):
            if event.HasField("session_log"):
                assert event.session_log.status == event_pb2.SessionLog.START
                shown = {k: v for k, v in shown.items() if k[1] < event.step}
            for value in event.summary.value:
                if value.tag.startswith("_hparams_/"):
                    continue
                assert (value.tag, event.step) not in shown
                shown[value.tag, event.step] = value.simple_value
    table = store.read_metrics(RUN)
    expected = {
        ("batch_loss", step): loss for step, loss in enumerate(table.losses, start=1)
    }
    for name, column in table.columns.items():
        expected |= {(name, s): x for s, x in zip(table.steps, column, strict=True)}
    assert shown == expected


def test_runs_are_told_apart_by_name_and_hyperparameters(store, folder):
    (path,) = folder.glob("*/events.*")
    assert path.parent.name == "mas,learning_rate=0.0002 on mlp, seed 0"
    told = {}
    for event in events(path):
        for value in event.summary.value:
            content = value.metadata.plugin_data.content
            told[value.tag] = plugin_hparams_pb2.HParamsPluginData.FromString(content)
    experiment = told["_hparams_/experiment"].experiment
    measured = [info.name.tag for info in experiment.metric_infos]
    assert measured == ["test_loss", "train_loss"]
    given = told["_hparams_/session_start_info"].session_start_info.hparams
    assert given["optimizer"].string_value == "mas"
    assert given["learning_rate"].number_value == 2e-4
    assert (given["batch_size"].number_value, given["seed"].number_value) == (64, 0)


def test_a_name_of_any_length_is_that_of_a_folder(store):
    options = tuple((f"option{n}", "a/b" * 9) for n in range(20))
    long = dataclasses.replace(RUN.optimizer, options=options)
    with store.open(dataclasses.replace(RUN, optimizer=long)) as handle:
        handle.append([row(2)])
    assert len(list(store.root.glob("*/*/events.*"))) == 1
