"""Checkpoints of one run: whole or absent, and checked byte by byte before use.

    checkpoints/000500/arrays/        the state, by orbax
    checkpoints/000500/manifest.json  whose it is, and the digest of every file

A checkpoint is made under another name and renamed when it is complete. Its files are
checked before orbax sees them: it answers damaged ones with pages of tracebacks from
its threads.
"""

import dataclasses
import errno
import hashlib
import logging
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from experiments.errors import RunError
from experiments.runs.files import clear_refusal, digests, read_json, write_json

PyTree = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A run at one moment.

    Attributes:
      step: steps done.
      seconds: time they took.
      state: tree of NumPy arrays.
      made_with: what else the numbers follow from, by name; empty if it is not known.
    """

    step: int
    seconds: float
    state: PyTree
    made_with: Mapping[str, str] = dataclasses.field(default_factory=dict)


def save(folder: pathlib.Path, run: str, checkpoint: Checkpoint) -> None:
    """Adds a checkpoint, and deletes all others but the one before it.

    The folder is that of the checkpoints of the run of this hash; made if need be.

    Raises:
      RunError: the folder cannot be written to.
    """
    making, place = folder / "making", folder / f"{checkpoint.step:06d}"
    with clear_refusal(folder):
        if making.exists():
            shutil.rmtree(making)  # left by a process that was killed
        save_arrays(making / "arrays", checkpoint.state)
        manifest = {
            "run": run,
            "step": checkpoint.step,
            "seconds": checkpoint.seconds,
            "made_with": dict(checkpoint.made_with),
            "layout": _layout(checkpoint.state),
            "files": digests(making / "arrays", "**/*"),
        }
        write_json(making / "manifest.json", manifest)
        if place.exists():
            shutil.rmtree(place)  # damaged, or it would have been used
        making.rename(place)
        steps = _steps(folder)
        before = [step for step in steps if step < checkpoint.step][-1:]
        for step in steps.keys() - {checkpoint.step, *before}:
            shutil.rmtree(steps[step])


def restore(folder: pathlib.Path, run: str, target: PyTree) -> Checkpoint | None:
    """The last checkpoint that is intact, or None if there has never been one.

    The target is a tree like the state, of anything with a shape and a dtype.

    Raises:
      RunError: all are damaged, or one belongs to something else; nothing is deleted.
    """
    damaged = []
    for place in reversed(_steps(folder).values()):
        manifest = _intact(place)
        if manifest is None:
            damaged.append(f"{place} is damaged")
            continue
        if manifest["run"] != run:
            raise RunError(
                f"{place} belongs to run {manifest['run']}, not to {run}: move it away "
                f"to train this run again."
            )
        if manifest["layout"] != _layout(target):
            raise RunError(
                f"{place} was written for another network or optimizer state: delete "
                f"the run's folder to train it again."
            )
        state = load_arrays(place / "arrays", target)
        if damaged:
            logging.getLogger(__name__).warning(
                "%s: going on from step %d.", " and ".join(damaged), manifest["step"]
            )
        return Checkpoint(
            step=manifest["step"],
            seconds=manifest["seconds"],
            state=state,
            made_with=manifest.get("made_with", {}),
        )
    if damaged:
        raise RunError(
            f"{' and '.join(damaged)}, and there is no other checkpoint: delete the "
            f"run's folder to train it again."
        )
    return None


def last_step(run: pathlib.Path) -> int:
    """The step of the last checkpoint in the folder of a run, looked at no closer."""
    return max(_steps(run / "checkpoints"), default=0)


def save_arrays(folder: pathlib.Path, tree: PyTree) -> None:
    """Writes a tree of NumPy arrays, replacing what is there.

    Raises:
      OSError: it cannot be written.
    """
    # Orbax goes on writing from other threads when one of them has failed, and says so
    # at length: what can be foreseen is refused before.
    folder.parent.mkdir(parents=True, exist_ok=True)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    if shutil.disk_usage(folder.parent).free < 1.1 * size + 1_000_000:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    logger = logging.getLogger("absl")
    level, hook = logger.level, sys.unraisablehook
    logger.setLevel(logging.CRITICAL)
    # After a refusal tensorstore goes on calling a loop that is closed, whenever.
    sys.unraisablehook = lambda told: told.exc_type is RuntimeError or hook(told)
    try:
        ocp.save(str(folder), _named(tree), overwrite=True)
        sys.unraisablehook = hook
    except ValueError as error:  # in which tensorstore wraps the system's refusal
        code = re.search(r"os_error_code='(\d+)'", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
    finally:
        logger.setLevel(level)


def load_arrays(folder: pathlib.Path, target: PyTree) -> PyTree:
    """Reads what `save_arrays` wrote of a tree like `target`."""
    empty = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), target)
    stored: Any = ocp.load(str(folder), _named(empty))
    leaves, structure = jax.tree.flatten_with_path(empty)
    return structure.unflatten(stored.get(_name(path), leaf) for path, leaf in leaves)


def _named(tree: PyTree) -> Any:
    leaves = jax.tree.leaves_with_path(tree)
    # Orbax refuses arrays of size zero.
    return {_name(path): leaf for path, leaf in leaves if leaf.size}


def _name(path: jax.tree_util.KeyPath) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _layout(tree: PyTree) -> str:
    shapes = [(name, x.shape, str(x.dtype)) for name, x in _named(tree).items()]
    return hashlib.sha256(repr(shapes).encode()).hexdigest()


def _steps(folder: pathlib.Path) -> dict[int, pathlib.Path]:
    """The checkpoints that are complete, by step, in order."""
    if not folder.exists():
        return {}
    steps = {int(p.name): p for p in folder.iterdir() if p.name.isdecimal()}
    return dict(sorted(steps.items()))


def _intact(place: pathlib.Path) -> dict[str, Any] | None:
    """The manifest of a checkpoint, or None if anything in it is damaged."""
    try:
        manifest = read_json(place / "manifest.json") or {}
        known = manifest.keys() >= {"run", "layout", "seconds"}
        whole = known and manifest["files"] == digests(place / "arrays", "**/*")
        return manifest if whole and manifest["step"] == int(place.name) else None
    except (RunError, OSError, KeyError):
        return None
