"""Files are whole or absent, have one writer at a time, and refusals are told."""

import dataclasses
import errno
import fcntl
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from experiments.errors import OutputError
from experiments.runs import files
from experiments.runs.store import RunError, Store
from tests.experiments.messages import assert_one_sentence
from tests.experiments.stored_runs import FINISHED, RUN, content, row


def start(code, *arguments):
    """Another process in which `store` is a store of the same runs."""
    head = (
        "import sys, time\n"
        "from experiments.runs import store as runs\n"
        "from tests.experiments.stored_runs import RUN, row\n"
        "store = runs.Store(sys.argv[1])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_writer_at_a_time(store, folder):
    (folder / "lock").write_text("9" * 20)  # left by a process of a longer number
    process = start(
        "with store.open(RUN):\n    print('held', flush=True)\n    time.sleep(60)",
        store.root,
    )
    try:
        assert process.stdout.readline() == "held\n", process.stderr.read()
        before = content(folder)
        with pytest.raises(RunError, match=f"by process {process.pid}:") as error:
            store.open(RUN).__enter__()
        assert_one_sentence(str(error.value))
        assert content(folder) == before
        (entry,) = store.list()
        assert (entry.status, entry.detail) == ("running", f"by process {process.pid}")
        np.testing.assert_array_equal(store.read_metrics(RUN).steps, [2, 4])
        with store.open(dataclasses.replace(RUN, seed=1)):
            pass  # another run is free
    finally:
        process.kill()
        process.communicate()
    assert [entry.status for entry in store.list()] == ["unfinished", "unfinished"]
    with store.open(RUN) as handle:  # the kernel let go when the holder died
        assert handle.last_step == 4


def test_one_writer_at_a_time_in_one_process(store):
    with store.open(RUN):
        with pytest.raises(RunError, match=f"by process {os.getpid()}:"):
            store.open(RUN).__enter__()


def test_looking_at_the_store_does_not_keep_a_writer_out(store, folder):
    # `list` holds the lock shared for an instant; a writer that comes then waits.
    looker = os.open(folder / "lock", os.O_RDONLY)
    fcntl.flock(looker, fcntl.LOCK_SH)
    timer = threading.Timer(0.05, os.close, [looker])
    timer.start()
    with store.open(RUN):
        timer.join()


def test_sigkill_of_a_writer_leaves_whole_rows(store):
    # Each victim is killed at another point of its endless appending.
    code = (
        "with store.open(RUN) as handle:\n"
        "    print('go', flush=True)\n"
        "    while True:\n"
        "        handle.append([row(handle.last_step + 400, 400)])\n"
    )
    seen = 0
    for delay in (0.0, 0.03, 0.07):
        victim = start(code, store.root)
        assert victim.stdout.readline() == "go\n", victim.stderr.read()
        try:
            victim.wait(delay)
        except subprocess.TimeoutExpired:
            pass
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        with store.open(RUN) as handle:
            assert handle.last_step >= seen
            seen = handle.last_step
    assert seen > 0
    table = store.read_metrics(RUN)
    expected = [row(step, 400)["losses"] for step in table.steps]
    np.testing.assert_array_equal(table.losses, np.concatenate(expected))


def test_full_disk_leaves_the_earlier_rows(store, folder):
    # A limit on the size of files stops a write half-way, as a full disk does.
    before = content(folder)["metrics.jsonl"]
    code = (
        "import resource\n"
        "with store.open(RUN) as handle:\n"
        "    limit = len((store.folder(RUN) / 'metrics.jsonl').read_bytes()) + 20\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "    for _ in range(2):\n"
        "        try:\n"
        "            handle.append([row(6)])\n"
        "        except runs.RunError as error:\n"
        "            print(error)\n"
        "    print(handle.last_step)"
    )
    out, err = start(code, store.root).communicate()
    first, second, step = out.splitlines()
    assert first == second
    assert f"Cannot write to {folder}" in first, err
    assert_one_sentence(first)
    assert (step, err) == ("4", "")
    assert content(folder)["metrics.jsonl"] == before
    with store.open(RUN) as handle:
        handle.append([row(6)])


def test_interrupt_while_writing_leaves_whole_rows(store, folder, monkeypatch):
    before = content(folder)["metrics.jsonl"]

    def interrupted(file, data):
        os.write(file, data[:10])
        raise KeyboardInterrupt

    with store.open(RUN) as handle:
        monkeypatch.setattr(files, "write_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            handle.append([row(6)])
        assert content(folder)["metrics.jsonl"] == before
        monkeypatch.undo()
        handle.append([row(6)])
    np.testing.assert_array_equal(store.read_metrics(RUN).steps, [2, 4, 6])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("function", ["replace", "fsync", "write"])
def test_refused_result_leaves_the_run_as_it_was(
    store, folder, monkeypatch, code, function
):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    with store.open(RUN) as handle:
        handle.append([row(6)])
        before = content(folder)
        with monkeypatch.context() as patch:
            patch.setattr(files.os, function, refuse)
            with pytest.raises(RunError, match=os.strerror(code)) as error:
                handle.finish(FINISHED)
        assert_one_sentence(str(error.value))
        assert content(folder) == before
        assert handle.result is None
        handle.finish(FINISHED)
    assert store.result(RUN) == FINISHED


def test_root_that_cannot_be_written(tmp_path):
    # Tests may run as root, whom permissions do not stop: a file in the way does.
    (tmp_path / "file").write_text("kept")
    store = Store(tmp_path / "file" / "runs")
    for use in (lambda r: store.open(r).__enter__(), store.result):
        with pytest.raises(RunError, match="Not a directory") as error:
            use(RUN)
        assert_one_sentence(str(error.value))
    assert Store(tmp_path / "nowhere").list() == []
    with pytest.raises(RunError, match="Not a directory"):
        Store(tmp_path / "file").list()
    assert (tmp_path / "file").read_text() == "kept"


def test_read_only_store_can_be_read(store, folder, monkeypatch):
    def refuse(path, flags, *rest):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return os_open(path, flags, *rest)

    os_open = os.open
    monkeypatch.setattr(files.os, "open", refuse)
    assert store.result(RUN) is None
    np.testing.assert_array_equal(store.read_metrics(RUN).steps, [2, 4])
    assert [entry.status for entry in store.list()] == ["unfinished"]
    with pytest.raises(RunError, match="Read-only file system") as error:
        store.open(RUN).__enter__()
    assert_one_sentence(str(error.value))


@pytest.fixture
def full_disk():
    """No file may grow beyond 64 KiB: the kernel refuses as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


def test_a_writable_folder_is_made_and_left_empty(tmp_path):
    files.check_room(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_full_disk_is_refused_and_nothing_is_harmed(tmp_path, full_disk):
    files.write_output(tmp_path / "old", b"precious")
    with pytest.raises(OutputError, match="name another place") as error:
        files.check_room(tmp_path)
    assert_one_sentence(str(error.value))
    with pytest.raises(OutputError):
        files.write_output(tmp_path / "old", bytes(1 << 17))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"old": b"precious"}


@pytest.mark.parametrize("folder", ["/sys", "/proc"])
def test_a_read_only_folder_is_refused(folder):
    # Not even root may write there, which a folder without permission lets it do.
    for attempt in (
        lambda: files.check_room(pathlib.Path(folder) / "results"),
        lambda: files.write_output(pathlib.Path(folder) / "table", b""),
    ):
        with pytest.raises(OutputError, match=f"Cannot write to {folder}") as error:
            attempt()
        assert_one_sentence(str(error.value))


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError):
        files.check_room(tmp_path / "file")
    with pytest.raises(OutputError):
        files.write_output(tmp_path / "file" / "table", b"")
    assert (tmp_path / "file").read_text() == "precious"


def test_an_interrupted_write_leaves_the_older_file(tmp_path, monkeypatch):
    files.write_output(tmp_path / "table", b"old")

    def interrupted(file, data):
        os.write(file, data[:1])
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_output(tmp_path / "table", b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"table": b"old"}


def test_who_reads_an_older_file_goes_on_reading_it(tmp_path):
    files.write_output(tmp_path / "table", b"old")
    with (tmp_path / "table").open("rb") as reader:
        files.write_output(tmp_path / "table", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "table").read_bytes() == b"new"


def test_new_files_have_the_permissions_of_the_user(tmp_path):
    files.write_output(tmp_path / "table", b"new")
    (tmp_path / "usual").write_text("")
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_reason_is_given(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "write", refuse)
    with pytest.raises(OutputError, match="No space left on device"):
        files.check_room(tmp_path)
    assert list(tmp_path.iterdir()) == []
