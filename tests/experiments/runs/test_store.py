"""The store of runs: what it keeps, and that it keeps it."""

import dataclasses
import json
import os
import pathlib
import re
import tempfile

import numpy as np
import pytest

from experiments.runs import config, names, summary
from experiments.runs import store as stores
from experiments.runs.store import PACKAGES, RunError, Store
from tests.experiments.foreign import as_nobody, huge
from tests.experiments.messages import assert_one_sentence
from tests.experiments.stored_runs import FINISHED, RUN, content, forge, row


def test_finished_run_is_read_back_and_never_written_again(store, folder):
    assert store.result(RUN) is None
    with store.open(RUN) as handle:
        handle.append([row(6)])
        handle.finish(FINISHED)
        assert handle.result == FINISHED
    assert store.result(RUN) == FINISHED
    before = content(folder)
    with store.open(RUN) as handle:
        assert handle.result == FINISHED
        for write in (
            lambda: handle.append([row(8)]),
            lambda: handle.truncate_after(2),
            lambda: handle.finish(FINISHED),
        ):
            with pytest.raises(RunError, match="has finished and is not written"):
                write()
    assert content(folder) | {"lock": b""} == before | {"lock": b""}


def test_interrupted_run_writes_the_same_bytes(store, tmp_path, folder):
    with store.open(RUN) as handle:  # from a checkpoint of step 2, or 0 if none
        handle.truncate_after(2)
        assert handle.last_step == 2
        handle.append([row(4), row(6)])
    whole = Store(tmp_path / "other")
    with whole.open(RUN) as handle:
        handle.append([row(2), row(4), row(6)])
    name = "metrics.jsonl"
    resumed = (folder / name).read_bytes()
    assert resumed == (whole.folder(RUN) / name).read_bytes()
    with store.open(RUN) as handle:
        handle.truncate_after(0)
        handle.append([row(2), row(4), row(6)])
    assert resumed == (folder / name).read_bytes()


def test_half_a_file_of_a_killed_process_is_cleared_away(store, folder):
    before = content(folder)
    (folder / ".result.json-4242").write_bytes(b"{")
    with store.open(RUN):
        pass
    assert content(folder).keys() == before.keys()


def test_checkpoint_beyond_the_metrics_is_refused(store, folder):
    before = content(folder)["metrics.jsonl"]
    with store.open(RUN) as handle:
        with pytest.raises(RunError, match="end at step 4, .* of step 6") as error:
            handle.truncate_after(6)
    assert_one_sentence(str(error.value))
    assert content(folder)["metrics.jsonl"] == before


def test_finish_needs_the_metrics_of_the_last_step(store, folder):
    with store.open(RUN) as handle:
        with pytest.raises(ValueError, match="6 steps .* end at step 4"):
            handle.finish(FINISHED)
    assert store.result(RUN) is None


def test_config_is_stored_with_versions_and_date(store, folder):
    stored = json.loads((folder / "config.json").read_text())
    assert config.from_json(stored["run"]) == RUN
    assert stored["hash"] == names.run_hash(RUN) == folder.name
    assert stored["versions"]["numpy"] == np.__version__
    assert set(stored["versions"]) == {"python", *PACKAGES}
    assert stored["date"].startswith("20")


def test_a_run_that_starts_over_tells_of_its_versions(store, folder, monkeypatch):
    monkeypatch.setattr(stores, "versions", lambda: {"jax": "later"})
    checkpoint = folder / "checkpoints" / "000002"
    checkpoint.mkdir(parents=True)

    def told():
        with store.open(RUN):
            return json.loads((folder / "config.json").read_text())["versions"]

    assert "numpy" in told()  # it goes on
    checkpoint.rmdir()
    assert told() == {"jax": "later"}


def test_folder_of_another_run_is_refused(store, folder):
    other = dataclasses.replace(RUN, seed=1)
    folder.rename(store.folder(other))
    before = content(store.folder(other))
    for use in (store.read_metrics, store.result, lambda r: store.open(r).__enter__()):
        with pytest.raises(RunError, match="holds another configuration") as error:
            use(other)
        assert_one_sentence(str(error.value))
    assert content(store.folder(other)) == before


@pytest.mark.parametrize("name", ["config.json", "result.json"])
@pytest.mark.parametrize(
    "text",
    ["", "{", "null x", "[]", '{"status": "finished"}', "\0", "[" * 100_000],
    ids=range(7),
)
def test_damaged_json_is_named(store, folder, name, text):
    (folder / name).write_text(text)
    before = content(folder)
    for use in (store.result, lambda r: store.open(r).__enter__()):
        with pytest.raises(RunError) as error:
            use(RUN)
        assert str(folder / name) in str(error.value)
        assert "damaged" in str(error.value)
        assert_one_sentence(str(error.value))
    assert [entry.status for entry in store.list()] == ["damaged"]
    assert content(folder) == before


def test_result_of_an_unknown_status_is_damage(store, folder):
    with store.open(RUN) as handle:
        handle.append([row(6)])
        handle.finish(FINISHED)
    for change in ({"status": "won"}, {"metrics": None}, {"steps": "6"}, {"files": []}):
        forge(folder / "result.json", **dataclasses.asdict(FINISHED) | change)
        with pytest.raises(RunError, match="result.json is damaged"):
            store.result(RUN)


@pytest.fixture
def finished(store, folder):
    """The folder of a run that has finished, with weights."""
    with store.open(RUN) as handle:
        handle.append([row(6)])
        (handle.weights / "d").mkdir(parents=True)
        (handle.weights / "d" / "0").write_bytes(bytes(range(99)))
        handle.finish(FINISHED)
    return folder


def test_a_changed_byte_in_any_file_of_a_finished_run_is_named(store, finished):
    other = dataclasses.replace(RUN, seed=1)
    with store.open(other):
        pass
    files = [p for p in finished.rglob("*") if p.is_file() and p.name != "lock"]
    assert len(files) >= 5
    for path in files:
        content = path.read_bytes()
        digits = [i for i, byte in enumerate(content) if chr(byte).isdigit()]
        for at in {len(content) // 2, *digits[:: max(1, len(digits) // 20)]}:
            changed = bytes([content[at] ^ 1])
            path.write_bytes(content[:at] + changed + content[at + 1 :])
            with pytest.raises(RunError, match=re.escape(str(path))) as error:
                store.result(RUN)
            assert_one_sentence(str(error.value))
        path.unlink()
        if path.name != "result.json":
            with pytest.raises(RunError, match=re.escape(str(path))):
                summary.summarize(store, RUN, weights=4)
            told = {entry.folder: entry.status for entry in store.list()}
            assert told == {finished: "damaged", store.folder(other): "unfinished"}
        path.write_bytes(content)
    assert store.result(RUN) == FINISHED


def test_a_run_of_an_earlier_version_is_refused_with_what_to_do(store, finished):
    for name in ("result.json", "config.json"):
        tree = json.loads((finished / name).read_text())
        del tree["digest"]
        (finished / name).write_text(json.dumps(tree, indent=2))
        with pytest.raises(RunError, match=f"{name} has no digest.* --runs") as error:
            store.result(RUN)
        assert_one_sentence(str(error.value))
    assert [entry.status for entry in store.list()] == ["damaged"]


@pytest.mark.parametrize("name", ["config.json", "result.json", "metrics.jsonl"])
@pytest.mark.parametrize("foreign", [os.mkfifo, os.mkdir, huge])
def test_what_is_no_file_of_ours_is_named_and_other_runs_are_listed(
    store, folder, name, foreign
):
    with store.open(dataclasses.replace(RUN, seed=1)):
        pass
    (folder / name).unlink(missing_ok=True)
    foreign(folder / name)
    with pytest.raises(RunError, match=re.escape(str(folder / name))) as error:
        store.open(RUN).__enter__()
    assert_one_sentence(str(error.value))
    told = {entry.folder: entry.status for entry in store.list()}
    assert told.pop(folder) == "damaged"
    assert list(told.values()) == ["unfinished"]


def test_folders_of_another_user_are_named_and_other_runs_are_listed():
    with tempfile.TemporaryDirectory() as place:  # pytest's own are for one user alone
        os.chmod(place, 0o755)
        store = Store(pathlib.Path(place) / "runs")
        for seed in (0, 1):
            with store.open(dataclasses.replace(RUN, seed=seed)):
                pass
        store.folder(RUN).chmod(0)
        with as_nobody():
            statuses = sorted(entry.status for entry in store.list())
        os.chmod(place, 0)
        with as_nobody(), pytest.raises(RunError, match="Permission denied") as error:
            store.list()
        assert_one_sentence(str(error.value))
        os.chmod(place, 0o755)
        store.folder(RUN).chmod(0o755)
    assert statuses == ["damaged", "unfinished"]
