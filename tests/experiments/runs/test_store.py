"""The store of runs: what it keeps, and that it keeps it."""

import dataclasses
import json

import numpy as np
import pytest

from experiments.runs import config, names
from experiments.runs import store as stores
from experiments.runs.store import PACKAGES, RunError, Store
from tests.experiments.messages import assert_one_sentence
from tests.experiments.stored_runs import FINISHED, RUN, content, row


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
    tree = dataclasses.asdict(FINISHED) | {"status": "won"}
    (folder / "result.json").write_text(json.dumps(tree))
    with pytest.raises(RunError, match="result.json is damaged"):
        store.result(RUN)


def test_metrics_without_a_configuration_are_damage(store, folder):
    (folder / "config.json").unlink()
    with pytest.raises(RunError, match="config.json is damaged or missing"):
        store.open(RUN).__enter__()


def test_run_of_a_later_version_is_named(store, folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"augment"', '"augmented"'))
    with pytest.raises(RunError, match="no run known here: .*'augmented'") as error:
        store.result(RUN)
    assert_one_sentence(str(error.value))


def test_list_tells_what_every_run_is_doing(store, folder):
    finished, diverged = (dataclasses.replace(RUN, seed=seed) for seed in (1, 2))
    with store.open(finished) as handle:
        handle.append([row(6, 6)])
        handle.finish(FINISHED)
    lost = dataclasses.replace(FINISHED, status="diverged", steps=3)
    with store.open(diverged) as handle:
        handle.finish(lost)
    (store.root / "notes").mkdir()
    entries = {entry.run: entry for entry in store.list()}
    assert len(entries) == 3
    told = {
        run: (entry.status, entry.detail, entry.result)
        for run, entry in entries.items()
    }
    assert told[RUN] == ("unfinished", "at step 4", None)
    assert told[finished] == ("finished", "at step 6", FINISHED)
    assert told[diverged] == ("diverged", "at step 3", lost)
    assert entries[RUN].folder == folder
