"""Trains runs, whatever they are, to their end.

Runs that differ only in their seed are trained side by side. Whatever is trained beside
it, and whenever it is killed and trained again, a run ends with the same weights and
metrics to the bit: all that is random follows from the seed and the step, and each run
is computed by a program of its own. The clock decides how many steps a device is given
at once and when a checkpoint is written, and the numbers depend on neither.
"""

import contextlib
import functools
import pathlib
import shutil
from collections.abc import Callable, Sequence

import jax

from experiments.data import datasets
from experiments.runs import checkpoints, config, names
from experiments.runs.store import Handle, Result, Store
from experiments.training import compatibility
from experiments.training.learner import Learner
from experiments.training.loop import Job, Loop
from experiments.training.parallel import Programs
from experiments.training.progress import Progress

CHECKPOINT_SECONDS = 15.0


def train(
    runs: Sequence[config.Run],
    store: Store,
    *,
    data_dir: pathlib.Path | None = None,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> list[Result]:
    """Trains those of the runs that have not ended, from where they were left.

    Args:
      runs: any runs; the same one twice is trained once.
      store: where their results, metrics, weights and checkpoints are kept.
      data_dir: see `data.load`.
      devices: to train on, one run each; one that stands here twice takes two. By
        default all that JAX has.
      on_progress: called about once a second, from this thread.
      checkpoint_seconds: least time between two checkpoints of a run.

    Returns:
      The results, in the order of the runs.

    Raises:
      ConfigError, DataError, RunError: one sentence on what is wrong. All settings and
        data sets are checked before the first run is trained.
      KeyboardInterrupt: after the runs in training have been saved.
    """
    devices = jax.devices() if devices is None else devices
    if not devices:
        raise ValueError("devices must hold at least one device, got none.")
    for run in runs:
        compatibility.check_names(run)
    load = functools.cache(lambda name: datasets.load(name, data_dir))
    groups: dict[str, list[config.Run]] = {}
    for run in dict.fromkeys(runs):
        if store.result(run) is None:
            groups.setdefault(names.group_key(run), []).append(run)
        else:  # killed before it had cleared up
            shutil.rmtree(store.folder(run) / "checkpoints", ignore_errors=True)
    learners = [Learner(group[0], load(group[0].dataset)) for group in groups.values()]
    for group, learner in zip(groups.values(), learners, strict=True):
        dataset = load(group[0].dataset)
        compiled = functools.cache(functools.partial(Programs, learner, dataset))
        # Those that have come about equally far go on side by side.
        group.sort(key=lambda run: -checkpoints.last_step(store.folder(run)))
        for first in range(0, len(group), len(devices)):
            # Held no sooner than they are trained: each takes open files and memory.
            with contextlib.ExitStack() as held:
                together = group[first : first + len(devices)]
                handles = [held.enter_context(store.open(run)) for run in together]
                jobs = [
                    _take_up(run, handle, learner)
                    for run, handle in zip(together, handles, strict=True)
                    if handle.result is None  # another process has not been faster
                ]
                if not jobs:
                    continue
                programs = [compiled(device) for device in devices[: len(jobs)]]
                Loop(learner, programs, jobs, checkpoint_seconds, on_progress).run()
    return [result for run in runs if (result := store.result(run))]


def _take_up(run: config.Run, handle: Handle, learner: Learner) -> Job:
    """Goes back to the last checkpoint, or to nothing."""
    name = names.run_hash(run)
    last = checkpoints.restore(handle.checkpoints, name, learner.abstract)
    job = Job(run=run, handle=handle)
    if last is not None:
        folder = handle.checkpoints.parent
        compatibility.check_unchanged(folder, last.made_with, learner.made_with)
        job.step, job.seconds, job.state = last.step, last.seconds, last.state
    # An evaluation at this very step is done again: it may not have been written.
    handle.truncate_after(learner.interval(job.step)[0])
    return job
