"""Files for the user: whole or not at all, and refused before any work."""

import errno
import os
import pathlib
import resource
import signal

import pytest

from experiments.errors import OutputError
from experiments.runs import files
from tests.experiments.messages import assert_one_sentence


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
