"""Opening what may be any file: regular ones only, of a size that memory takes."""

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

# No published file and no table of results comes near it.
MOST = 1 << 30


@contextlib.contextmanager
def opened(path: Path, most: float = MOST) -> Iterator[io.BufferedReader]:
    """A file to read.

    Raises:
      OSError: it cannot be read, has more than `most` bytes, or is a folder, a device,
        a socket or a FIFO, which might never end.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if found.st_size > most:
            raise OSError(errno.EFBIG, f"it has more than {most} bytes", str(path))
        yield file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # else a FIFO waits for a writer
