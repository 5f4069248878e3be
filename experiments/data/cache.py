"""Stacked arrays on disk: prepared once, whole or not at all, verified at every load.

A set is a folder of the user's cache: one `.npy` file an array, `digests.json`, and
whatever else its preparation leaves there. It is put together in a folder beside its
place and renamed into it at the end, so a process that is killed leaves no half of it.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from experiments import environment
from experiments.data import reading
from experiments.errors import DataError

Build = Callable[[Path, Path], Mapping[str, np.ndarray]]

_DIGESTS = "digests.json"


class _NotUsableError(Exception):
    """Why the arrays on disk must be prepared, for the user to read."""


def load(
    name: str, arrays: tuple[str, ...], build: Build, needs: int
) -> Mapping[str, np.ndarray]:
    """The arrays of a set from the cache, prepared there first if need be.

    Args:
      name: of the set, and of its folder in the cache.
      arrays: names of the arrays that make up the set.
      build: returns the arrays, given an empty folder to work in, which is kept as part
        of the set, and the set's own folder, which holds what an earlier preparation
        left if the arrays in it have since been damaged.
      needs: bytes of disk space that `build` and the arrays take.

    Returns:
      The arrays by name, read-only.

    Raises:
      DataError: if the cache cannot be read or written, or by `build`.
    """
    cache = environment.cache_dir() / "datasets"
    folder = cache / name
    try:
        # No lock to read: a folder in place is whole, and is replaced only if damaged.
        with contextlib.suppress(_NotUsableError):
            return _read(folder, arrays)
        with _lock(cache / f"{name}.lock"):
            try:
                # Another process may have prepared it while this one waited.
                return _read(folder, arrays)
            except _NotUsableError as reason:
                print(f"Preparing {name}, once: {reason}.", file=sys.stderr)
            if shutil.disk_usage(cache).free < needs:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            _prepare(folder, build)
            return _read(folder, arrays)
    except _NotUsableError as reason:
        raise DataError(
            f"The data set {name} was prepared but {reason}: the disk may be failing, "
            f"so set OPTAX_SIGN_CACHE to a folder on another one."
        ) from reason
    except OSError as error:
        raise DataError(_sentence(cache, name, needs, error)) from error


def _prepare(folder: Path, build: Build) -> None:
    # Only the holder of the lock makes such folders: those found here were left behind
    # by a process that was killed.
    for abandoned in folder.parent.glob(f"{folder.name}.tmp-*"):
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(
        prefix=f"{folder.name}.tmp-", dir=folder.parent, ignore_cleanup_errors=True
    ) as scratch:
        building = Path(scratch) / "building"
        building.mkdir(mode=0o700)
        digests = {}
        for name, array in build(building, folder).items():
            with (building / f"{name}.npy").open("wb+") as file:
                np.save(file, array, allow_pickle=False)
                file.seek(0)
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        (building / _DIGESTS).write_text(json.dumps(digests, indent=2))
        if folder.exists():
            os.replace(folder, Path(scratch) / "replaced")
        os.replace(building, folder)


def _read(folder: Path, arrays: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with reading.opened(folder / _DIGESTS) as file:
            digests = json.load(file)
    except FileNotFoundError:
        raise _NotUsableError(f"{folder} does not hold it yet") from None
    except (ValueError, RecursionError):
        raise _NotUsableError(f"{folder / _DIGESTS} is damaged") from None
    if not isinstance(digests, dict) or set(digests) != set(arrays):
        raise _NotUsableError(f"{folder / _DIGESTS} lists other arrays")
    return {name: _read_array(folder / f"{name}.npy", digests[name]) for name in arrays}


def _read_array(path: Path, digest: str) -> np.ndarray:
    try:
        with reading.opened(path, math.inf) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise _NotUsableError(f"{path} does not match its digest")
            file.seek(0)
            array = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise _NotUsableError(f"{path} is missing") from None
    array.flags.writeable = False
    return array


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the kernel lets go when the process ends
        yield


def _sentence(cache: Path, name: str, needs: int, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"There is no space in {cache} for the data set {name}, which needs "
            f"{needs >> 20} MiB: make room or set OPTAX_SIGN_CACHE to a folder on "
            f"another disk."
        )
    return (
        f"The cache folder {cache} cannot be used for the data set {name} "
        f"({error.strerror}): set OPTAX_SIGN_CACHE to a folder that can be written."
    )
