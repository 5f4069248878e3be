"""Files that a command leaves for its user: whole or not at all."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from experiments.errors import OutputError
from experiments.runs.files import write_all

# More than all the tables and figures that one command writes.
ROOM = 4 << 20


def check(folder: pathlib.Path) -> None:
    """Makes sure that a folder takes files, before work is done that would be lost.

    It is made if need be, and a file that fills `ROOM` is written and removed.

    Raises:
      OutputError: it cannot be made, is read-only or is full.
    """
    probe = folder / f".room-{os.getpid()}"
    with _clear_refusal(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write(probe, bytes(ROOM))
        finally:
            probe.unlink(missing_ok=True)


def write(path: pathlib.Path, data: bytes) -> None:
    """Puts a file in place of an older one when all of it is on the disk.

    Raises:
      OutputError: it cannot be written; an older file is unharmed.
    """
    new = path.with_name(f".{path.name}-{os.getpid()}")
    with _clear_refusal(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(new, data)
            os.replace(new, path)
        except BaseException:
            with contextlib.suppress(OSError):
                new.unlink()
            raise


def _write(path: pathlib.Path, data: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_all(file, data)
    finally:
        os.close(file)


@contextlib.contextmanager
def _clear_refusal(place: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"Cannot write to {place} ({error.strerror}): make room there or name "
            f"another place; what is there is unharmed."
        ) from error
