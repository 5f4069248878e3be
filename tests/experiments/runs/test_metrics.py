"""The table of metrics: exact, healed where torn, refused where damaged."""

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest

from experiments.runs import summary
from experiments.runs.store import RunError
from tests.experiments.messages import assert_one_sentence
from tests.experiments.stored_runs import FINISHED, RUN, content, row

GOOD = '{"step": 4, "losses": [0.5, 0.25], "test_loss": 0.5, "train_loss": 0.5}'


def test_float32_comes_back_exactly_in_columns(store):
    rows = [row(3, 3), row(5, 2), row(6, 1)]
    rows[1]["losses"][0] = np.float32(1e-45)  # the least float32, a denormal
    with store.open(RUN) as handle:
        handle.append(rows[:2])
        handle.append(rows[2:])
    table = store.read_metrics(RUN)
    np.testing.assert_array_equal(table.steps, [3, 5, 6])
    np.testing.assert_array_equal(
        table.losses, np.concatenate([r["losses"] for r in rows])
    )
    assert table.losses.dtype == np.float32
    assert set(table.columns) == {"train_loss", "test_loss"}
    for name, column in table.columns.items():
        np.testing.assert_array_equal(column, [r[name] for r in rows])
        assert column.dtype == np.float32


def test_a_row_is_the_same_bytes_in_whatever_order_it_comes(store):
    names = ["step", "losses", "a", "b", "c", "d", "e", "digest"]
    with store.open(RUN) as handle:
        handle.append(
            [{"e": 5, "losses": [], "c": 3, "a": 1, "d": 4, "b": 2, "step": 0}]
        )
    line = (store.folder(RUN) / "metrics.jsonl").read_text()
    assert list(json.loads(line)) == names


def test_losses_that_are_not_finite_are_stored(store):
    last = row(2) | {"losses": [np.inf, np.nan], "test_loss": np.nan}
    with store.open(RUN) as handle:
        handle.append([last])
        handle.finish(dataclasses.replace(FINISHED, status="diverged", steps=2))
    table = store.read_metrics(RUN)
    np.testing.assert_array_equal(table.losses, [np.inf, np.nan])
    assert np.isnan(table.columns["test_loss"][0])


def test_torn_last_line_is_healed_by_the_writer_and_skipped_by_readers(store, folder):
    path = folder / "metrics.jsonl"
    whole = path.read_bytes()
    for torn in (b"{", b'{"step": 6, "losses": [0.25', b"\0\0\0", b"\xff"):
        path.write_bytes(whole + torn)
        np.testing.assert_array_equal(store.read_metrics(RUN).steps, [2, 4])
        assert path.read_bytes() == whole + torn
        with store.open(RUN) as handle:
            assert handle.last_step == 4
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (b"\xff\xfe\n", "not JSON"),
        (b"\0\0\n", "not JSON"),
        (b"[" * 100_000 + b"\n", "not JSON"),
        (b"7\n", "lacks step or losses"),
        (b'{"step": 4}\n', "lacks step or losses"),
        (GOOD.replace("4,", "4.0,").encode() + b"\n", "step is 4.0"),
        (GOOD.replace("4,", "5,").encode() + b"\n", "2 losses for the steps"),
        (GOOD.replace("4,", "-4,").encode() + b"\n", "step is -4"),
        (GOOD.replace("0.25]", '"x"]').encode() + b"\n", "losses are not"),
        (GOOD.replace('"train_loss": 0.5', '"x": 0.5').encode() + b"\n", "columns"),
        (GOOD.replace("}", ', "x": null}').encode() + b"\n", "its x is None"),
    ],
)
def test_other_damage_names_file_and_line(store, folder, damage, says):
    path = folder / "metrics.jsonl"
    first, _ = path.read_bytes().splitlines(keepends=True)
    for damaged in (first + damage, first + damage + GOOD.encode() + b"\n"):
        path.write_bytes(damaged)
        for use in (store.read_metrics, lambda run: store.open(run).__enter__()):
            with pytest.raises(RunError) as error:
                use(RUN)
            assert f"Line 2 of {path}" in str(error.value)
            assert says in str(error.value)
            assert_one_sentence(str(error.value))
        assert path.read_bytes() == damaged
        (entry,) = store.list()
        assert entry.status == "damaged"
        assert "Line 2" in entry.detail


def test_the_same_step_twice_is_damage(store, folder):
    path = folder / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + GOOD.encode() + b"\n")
    with pytest.raises(RunError, match="Line 3 of"):
        store.read_metrics(RUN)


def test_rows_lost_from_a_finished_run_are_noticed(store, folder):
    with store.open(RUN) as handle:
        handle.append([row(6)])
        handle.finish(FINISHED)
    path = folder / "metrics.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(RunError, match="metrics.jsonl is damaged or missing"):
        store.read_metrics(RUN)


def test_a_changed_digit_of_an_unfinished_run_is_named(store, folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text().replace('"train_loss": 0.', '"train_loss": 1.'))
    for use in (store.read_metrics, lambda run: store.open(run).__enter__()):
        with pytest.raises(RunError, match=f"{path} is .* match its digest") as error:
            use(RUN)
        assert_one_sentence(str(error.value))


def test_rows_of_losses_alone_are_no_evaluations(store):
    bare = [{k: row(step)[k] for k in ("step", "losses")} for step in (2, 6)]
    with store.open(RUN) as handle:
        handle.append([bare[0], row(4), bare[1], row(8)])
    table = store.read_metrics(RUN)
    assert table.losses.shape == (8,)
    np.testing.assert_array_equal(table.steps, [4, 8])
    assert {column.shape for column in table.columns.values()} == {(2,)}


def test_memory_does_not_grow_with_the_steps_of_a_run(store):
    def peak(steps):
        run = dataclasses.replace(RUN, steps=steps)
        with store.open(run) as handle:
            handle.append(row(step, 500) for step in range(500, steps + 1, 500))
            handle.finish(dataclasses.replace(FINISHED, steps=steps))
        tracemalloc.start()
        with store.open(run) as handle:
            assert handle.last_step == steps
        summary.summarize(store, run, weights=4)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # An evaluation is a few numbers, of which all are kept; a loss is 4 bytes.
    assert peak(10_000) - peak(5_000) < 4 * 5_000


@pytest.mark.parametrize(
    "bad",
    [
        row(5, 2),  # one loss is missing
        row(4) | {"losses": []},  # the same step again
        row(6) | {"extra": 1.0},
        {"step": 6},
        row(6) | {"step": np.int64(6)},
    ],
)
def test_a_row_that_does_not_follow_is_refused(store, folder, bad):
    before = content(folder)["metrics.jsonl"]
    with store.open(RUN) as handle:
        with pytest.raises((ValueError, KeyError)):
            handle.append([bad])
        handle.append([row(6)])
    assert content(folder)["metrics.jsonl"].startswith(before)
    np.testing.assert_array_equal(store.read_metrics(RUN).steps, [2, 4, 6])


def test_metrics_of_a_run_that_was_never_started(store):
    with pytest.raises(RunError, match="No metrics are stored in .*: train") as error:
        store.read_metrics(RUN)
    assert_one_sentence(str(error.value))
