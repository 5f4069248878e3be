"""What keeps files whole: atomic writes, one writer at a time, clear refusals."""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from experiments.data import reading
from experiments.errors import OutputError, RunError

# More than all the tables and figures that one command writes.
ROOM = 4 << 20


@contextlib.contextmanager
def clear_refusal(
    place: pathlib.Path, error: type[Exception] = RunError
) -> Iterator[None]:
    """Turns a refusal of the file system into one sentence with the way out."""
    try:
        yield
    except OSError as refused:
        option = " with --runs" if error is RunError else ""
        raise error(
            f"Cannot write to {place} ({refused.strerror}): make room or name another "
            f"place{option}; what is stored there is unharmed."
        ) from refused


def check_room(folder: pathlib.Path) -> None:
    """Makes sure that a folder takes files, before work is done that would be lost.

    It is made if need be, and a file that fills `ROOM` is written and removed.

    Raises:
      OutputError: it cannot be made, is read-only or is full.
    """
    probe = folder / f".room-{os.getpid()}"
    with clear_refusal(folder, OutputError):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write(probe, bytes(ROOM))
        finally:
            probe.unlink(missing_ok=True)


def write_all(file: int, data: bytes) -> None:
    """Writes to a file descriptor and waits until the data are on the disk."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]  # a nearly full disk takes a part
    os.fsync(file)


def signed(tree: Mapping[str, Any]) -> bytes:
    """A JSON object as a line that ends in the digest of all that comes before."""
    return _with_digest(json.dumps(tree)[:-1].encode())


def is_signed(line: bytes) -> bool:
    """Whether a line is as `signed` has made it."""
    return line == _with_digest(line.rpartition(b', "digest": ')[0])


def _with_digest(body: bytes) -> bytes:
    digest = hashlib.sha256(body).hexdigest()[:16]
    return body + f', "digest": "{digest}"}}'.encode()


def write_json(path: pathlib.Path, tree: Mapping[str, Any]) -> None:
    """Puts a JSON file of a run in place, signed, whole or not at all."""
    with clear_refusal(path.parent):
        _replace(path, signed(tree) + b"\n")


def write_output(path: pathlib.Path, data: bytes) -> None:
    """Puts a file for the user in place of an older one when all of it is on the disk.

    Raises:
      OutputError: it cannot be written; an older file is unharmed.
    """
    with clear_refusal(path, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)


def _replace(path: pathlib.Path, data: bytes) -> None:
    new = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        _write(new, data)
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # makes the new name last through a power cut
    finally:
        os.close(directory)


def _write(path: pathlib.Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_all(file, data)
    finally:
        os.close(file)


def read_bytes(path: pathlib.Path) -> bytes | None:
    """The content of a file, or None if there is no such file."""
    try:
        with reading.opened(path) as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error


def read_json(path: pathlib.Path) -> dict[str, Any] | None:
    """What `write_json` has written, or None if there is no such file.

    Raises:
      RunError: the file cannot be read, or is not as it was written.
    """
    content = read_bytes(path)
    if content is None:
        return None
    try:
        tree = json.loads(content)
        digest = tree.pop("digest", None)
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise damaged(path) from error
    if digest is None:
        raise RunError(
            f"{path} has no digest, so it is damaged or of an earlier version, whose "
            f"runs cannot be trusted to be unchanged: delete the run's folder to train "
            f"it again, or give another folder with --runs."
        )
    if not is_signed(content.removesuffix(b"\n")):
        raise damaged(path)
    return tree


def digests(folder: pathlib.Path, *patterns: str) -> dict[str, str]:
    """The SHA-256 of every file below a folder that matches one of the patterns."""
    found = {}
    for path in sorted({path for each in patterns for path in folder.glob(each)}):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[str(path.relative_to(folder))] = digest
    return found


def damaged(path: pathlib.Path) -> RunError:
    """The error for a file that is not what was written, or is gone."""
    return RunError(
        f"{path} is damaged or missing: delete the run's folder to train it again."
    )


@contextlib.contextmanager
def lock(folder: pathlib.Path) -> Iterator[None]:
    """Holds the folder for this process; the kernel lets go when the process ends."""
    with clear_refusal(folder):
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with clear_refusal(folder):
            _acquire(file, folder)
            for left in folder.glob(".*.json-*"):  # by a process that was killed
                left.unlink()
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)  # only for messages
        yield
    finally:
        os.close(file)


def holder(folder: pathlib.Path) -> str | None:
    """The process that holds the folder, or None."""
    try:
        file = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(file)
    finally:
        os.close(file)
    return None


def _acquire(file: int, folder: pathlib.Path) -> None:
    # `holder` takes the lock for an instant to see whether it is free: try for longer.
    for _ in range(25):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
    raise RunError(
        f"The run in {folder} is being written by process {_pid(file)}: wait until it "
        f"ends or stop it."
    )


def _pid(file: int) -> str:
    return os.pread(file, 20, 0).decode(errors="replace") or "unknown"
