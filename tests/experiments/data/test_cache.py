"""The cache of arrays: whole or absent, verified, safe to share between processes."""

import errno
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.data import cache as data_cache
from experiments.errors import DataError
from tests.experiments.messages import assert_one_sentence

ARRAYS = {"images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "labels": np.eye(2)}
SLOW_BUILD = """
import sys, time, numpy as np
from experiments.data import cache as data_cache
def build(building, earlier):
    (building / "half").write_text("written")
    print("building", flush=True)
    time.sleep(float(sys.argv[1]))
    return {"images": np.zeros(3), "labels": np.ones(3)}
print(data_cache.load("tiny", ("images", "labels"), build, 0)["labels"].sum())
"""


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("OPTAX_SIGN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets"


def build(building: Path, earlier: Path):
    (building / "source").write_text("kept")
    return ARRAYS


def must_not_build(building: Path, earlier: Path):
    pytest.fail("prepared again although the arrays are in the cache")


def load(build=build, needs=0):
    return data_cache.load("tiny", tuple(ARRAYS), build, needs)


def assert_expected(loaded):
    assert loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)
        assert not loaded[name].flags.writeable


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_prepared_once_and_whole(cache, capsys):
    assert_expected(load())
    assert "Preparing tiny, once" in capsys.readouterr().err
    assert_expected(load(must_not_build))
    assert capsys.readouterr().err == ""
    assert names(cache) == {"tiny", "tiny.lock"}
    assert names(cache / "tiny") == {
        *("source", "images.npy", "labels.npy", "digests.json")
    }


def test_a_prepared_set_is_read_without_writing(cache, monkeypatch):
    load()

    def read_only(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(data_cache, "_lock", read_only)
    assert_expected(load(must_not_build))


def flip_last_byte(path: Path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path: Path):
    path.write_bytes(path.read_bytes()[:-7])


def reshape(path: Path):
    # The same bytes of data under another header.
    np.save(path, np.load(path).reshape(-1))


@pytest.mark.parametrize("damage", [flip_last_byte, truncate, reshape, Path.unlink])
def test_a_damaged_array_is_named_and_prepared_again(cache, capsys, damage):
    load()
    damage(cache / "tiny" / "images.npy")
    capsys.readouterr()
    seen = []

    def build_again(building, earlier):
        seen.append((earlier / "source").read_text())
        return ARRAYS

    assert_expected(load(build_again))
    assert seen == ["kept"]
    assert str(cache / "tiny" / "images.npy") in capsys.readouterr().err
    assert_expected(load(must_not_build))
    assert names(cache) == {"tiny", "tiny.lock"}


@pytest.mark.parametrize(
    "digests",
    [
        *("", "{", "3", '["images", "labels"]', "{}", '{"images": 1, "labels": 2}'),
        "[" * 200_000,
    ],
    ids=range(7),
)
def test_damaged_digests_are_prepared_again(cache, digests):
    load()
    (cache / "tiny" / "digests.json").write_text(digests)
    assert_expected(load())
    assert_expected(load(must_not_build))


def test_a_damaged_set_that_cannot_be_prepared_again(cache, capsys):
    load()
    flip_last_byte(cache / "tiny" / "labels.npy")

    def build_again(building, earlier):
        raise DataError("no source")

    with pytest.raises(DataError, match="^no source$"):
        load(build_again)
    assert "labels.npy does not match its digest" in capsys.readouterr().err
    assert names(cache) == {"tiny", "tiny.lock"}
    assert (cache / "tiny" / "source").exists()


def test_arrays_damaged_as_they_are_written(cache, monkeypatch):
    replace = os.replace

    def replace_and_damage(source, target):
        replace(source, target)
        flip_last_byte(cache / "tiny" / "labels.npy")

    monkeypatch.setattr(os, "replace", replace_and_damage)
    with pytest.raises(DataError, match="labels.npy does not match.*OPTAX_SIGN_CACHE"):
        load()


@pytest.mark.parametrize("error", [DataError("no source"), KeyboardInterrupt()])
def test_a_preparation_that_fails_leaves_nothing(cache, error):
    def fail(building, earlier):
        (building / "half").write_text("written")
        raise error

    with pytest.raises(type(error)):
        load(fail)
    assert names(cache) == {"tiny.lock"}


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no space in .* needs 3 MiB"),
        (errno.EDQUOT, "no space in .* needs 3 MiB"),
        (errno.EROFS, r"cannot be used .*\(Read-only file system\)"),
        (errno.EACCES, r"cannot be used .*\(Permission denied\)"),
        (errno.EIO, r"cannot be used .*\(Input/output error\)"),
    ],
)
def test_a_disk_that_fails(cache, monkeypatch, number, sentence):
    def save(file, array, allow_pickle):
        file.write(b"half")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(np, "save", save)
    with pytest.raises(DataError, match=f"{sentence}.*OPTAX_SIGN_CACHE") as caught:
        load(needs=3 << 20)
    assert "\n" not in str(caught.value)
    assert names(cache) == {"tiny.lock"}


def test_a_fifo_in_the_cache_is_refused(cache):
    load()
    (cache / "tiny" / "images.npy").unlink()
    os.mkfifo(cache / "tiny" / "images.npy")
    with pytest.raises(DataError, match="cache folder .* not a regular file"):
        load()


def test_a_home_that_is_not_known_is_named(monkeypatch):
    monkeypatch.setenv("OPTAX_SIGN_CACHE", "~nosuchuser/x")
    with pytest.raises(DataError, match="'~nosuchuser/x'.* set OPTAX_SIGN_CACHE"):
        load()
    for name in ("OPTAX_SIGN_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # no entry for anyone
    with pytest.raises(DataError, match="'~/.cache'.* set OPTAX_SIGN_CACHE") as error:
        load()
    assert_one_sentence(str(error.value))


def test_too_little_space_is_said_before_work_starts(cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=99))
    with pytest.raises(DataError, match="no space in"):
        load(must_not_build, needs=100)


def test_a_cache_that_cannot_be_a_folder(cache):
    cache.parent.write_text("a file")
    with pytest.raises(DataError, match="Not a directory.*OPTAX_SIGN_CACHE"):
        load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_may_not_be_written(cache):
    cache.parent.mkdir(mode=0o500)
    with pytest.raises(DataError, match="Permission denied.*OPTAX_SIGN_CACHE"):
        load()


def start_building(seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOW_BUILD, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_prepare_once(cache):
    with start_building(1.0) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "building\n"
        loaded = load(must_not_build)  # waits for what the other one is making
        assert other.communicate(timeout=60)[0] == "3.0\n"
    np.testing.assert_array_equal(loaded["labels"], np.ones(3))


def test_a_killed_preparation_leaves_no_set_and_no_litter(cache):
    with start_building(60) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        process.send_signal(signal.SIGKILL)
    assert "tiny" not in names(cache)
    assert len(names(cache)) == 2  # the lock and a folder: the test sees a real kill
    assert_expected(load())
    assert names(cache) == {"tiny", "tiny.lock"}
