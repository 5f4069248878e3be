"""Tables of results: JSON Lines, a row a result, each with a digest of what it says.

    {"hash": "2b845c9317c7cfd0", …, "loss": [4.4, 2.3, …], "digest": "6b86b273ff34fce1"}

Rows are appended and never edited, and of rows of the same name the last counts: two
branches merge by keeping the lines of both, which `.gitattributes` tells git, so that a
line that only one of them has deleted comes back. pandas reads a table by
`read_json(path, lines=True)`. Numbers that are not finite are written as JavaScript
does (NaN, Infinity).
"""

import fcntl
import functools
import json
import logging
import os
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from experiments.errors import OutputError, RunError
from experiments.runs import files

T = TypeVar("T")

# The end of a whole line; one that was torn off has none, one that was edited has.
_ENDED = re.compile(rb', "digest": "[0-9a-f]{16}"\}$')

# Makes of a row its name and what it stands for.
Parse = Callable[[dict[str, Any]], tuple[str, T]]


def append(path: pathlib.Path, row: Mapping[str, Any]) -> None:
    """Adds a row, whole or not at all; writers wait for each other.

    A last line that was torn off, as by a power cut, is cut away before.

    Raises:
      OutputError: the table cannot be written to.
    """
    line = files.signed(row) + b"\n"
    with files.clear_refusal(path, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = _heal(file, path)
            try:
                files.write_all(file, line)
            except BaseException:  # no half a row on a full disk or after Ctrl-C
                os.ftruncate(file, end)
                raise
        finally:
            os.close(file)


def find(path: pathlib.Path, parse: Parse[T], name: str) -> T | None:
    """What the last row of this name stands for, None if there is none.

    `parse` is a function of a module, so that it is called only once a row.

    Raises:
      RunError: the row was edited or damaged, or may be one that was; or there are
        results of an earlier version instead.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        if {p.suffix for p in path.parent.glob("*.json*")} == {".json"}:
            raise RunError(
                f"{path.parent} holds results of an earlier version, a file each: move "
                f"it away, and reproduce makes its tables of the stored runs."
            ) from None
        return None
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from error
    rows, faults = _read(path, parse, (found.st_ino, found.st_mtime_ns, found.st_size))
    for line, fault in faults.items():
        if name not in rows or f'"{name}"'.encode() in line:
            raise RunError(fault)
    return rows.get(name)


def rounded(tree: Any) -> Any:
    """Numbers of six digits: more than a reader sees, and half the size of all."""
    if isinstance(tree, float):
        return float(f"{tree:.6g}")
    if isinstance(tree, list | tuple):
        return [rounded(value) for value in tree]
    if isinstance(tree, Mapping):
        return {key: rounded(value) for key, value in tree.items()}
    return tree


@functools.lru_cache(maxsize=16)
def _read(
    path: pathlib.Path, parse: Parse[T], version: object
) -> tuple[Mapping[str, T], Mapping[bytes, str]]:
    """The rows of a table by name, and its bad lines with what is wrong with them."""
    del version  # of the file: it is read again when it has changed
    rows: dict[str, T] = {}
    faults: dict[bytes, str] = {}
    lines = (files.read_bytes(path) or b"").split(b"\n")
    if not _ENDED.search(lines[-1]):
        del lines[-1]  # empty, or torn off, or being written
    for number, line in enumerate(lines, start=1):
        if files.is_signed(line):
            try:
                name, value = parse(json.loads(line))
                rows[name] = value
                continue
            except (ValueError, TypeError, KeyError, RecursionError):
                fault = "was written by another version of this program"
        else:
            fault = "does not match its digest: it was edited or damaged"
        faults[line] = (
            f"Line {number} of {path} {fault}; delete the line, and reproduce makes it "
            f"anew."
        )
    return rows, faults


def _heal(file: int, path: pathlib.Path) -> int:
    """Ends the last line, or cuts it away if it was torn off; returns the new size."""
    content = os.pread(file, os.fstat(file).st_size, 0)
    end = content.rfind(b"\n") + 1
    if _ENDED.search(content[end:]):  # an editor dropped the end of the line
        return len(content) + os.write(file, b"\n")
    if end < len(content):
        logging.getLogger(__name__).warning(
            "The last line of %s was torn off and is cut away.", path
        )
        os.ftruncate(file, end)
    return end
