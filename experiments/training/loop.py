"""The loop: takes runs of one group, one a device, side by side to their end."""

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import numpy as np

from experiments.data import datasets
from experiments.runs import checkpoints, config, files, names, store
from experiments.training import parallel
from experiments.training.learner import METRICS, Learner, State
from experiments.training.progress import Progress

# Steps are sent to the devices in portions of about this time. Between two of them
# progress is told, checkpoints are written and Ctrl-C is heard.
PORTION_SECONDS = 1.0


@dataclasses.dataclass
class Job:
    """A run held for training.

    Attributes:
      run: its configuration.
      handle: where it is written.
      step: steps that its last checkpoint has done.
      seconds: time they took, and what has been added since.
      state: of the last checkpoint, on the host; None for a run that is to start.
    """

    run: config.Run
    handle: store.Handle
    step: int = 0
    seconds: float = 0.0
    state: State | None = None


class Programs:
    """What the devices of a mesh execute for a group of runs, compiled once."""

    def __init__(
        self, learner: Learner, dataset: datasets.Dataset, devices: Sequence[jax.Device]
    ) -> None:
        self.mesh = mesh = parallel.mesh(devices)
        train = (dataset.train_inputs, dataset.train_labels)
        self.train = parallel.share(train, mesh)
        self.test = parallel.share((dataset.test_inputs, dataset.test_labels), mesh)
        self.start = parallel.lay(learner.start, mesh)
        self.order = parallel.lay(learner.order, mesh, shared=1)
        key, number = jax.random.key(0), np.int32(0)
        order = jax.eval_shape(learner.order, key, number)
        keys, state, order = parallel.abstract((key, learner.abstract, order), mesh)
        # Compiled ahead: the clock starts afterwards, and nothing can be traced again.
        advance = parallel.lay(learner.advance, mesh, shared=3, donate=(0,))
        self.advance = advance.lower(state, keys, order, *self.train, number).compile()
        evaluate = parallel.lay(learner.evaluate, mesh, shared=4)
        self.evaluate = evaluate.lower(state, *self.train, *self.test).compile()


class Loop:
    """Trains jobs of one group, at most one a device, until all have ended.

    They need not start from the same step: those ahead wait for the others.
    """

    def __init__(
        self,
        learner: Learner,
        programs: Programs,
        jobs: Sequence[Job],
        checkpoint_seconds: float,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._learner = learner
        self._programs = programs
        self._jobs = dict(enumerate(jobs))  # by place in the mesh; those going on
        self._keys = parallel.keys([job.run.seed for job in jobs], programs.mesh)
        self._state = self._first_state()
        self._order: jax.Array | None = None
        self._step = min(job.step for job in jobs)
        self._pace = 10  # steps in a portion; soon known better
        self._checkpoint_seconds = checkpoint_seconds
        self._saved_at = time.perf_counter()
        self._on_progress = on_progress

    def run(self) -> None:
        """Trains to the end; an interrupt leaves checkpoints of where it came."""
        self._tell(math.nan, 0.0)
        while self._jobs:
            try:
                if self._step == self._learner.interval(self._step)[1]:
                    self._evaluate()
                if self._jobs:
                    self._advance()
            except KeyboardInterrupt:
                self._save()
                raise
            # Interrupted in here, the checkpoint before this one stands.
            if time.perf_counter() - self._saved_at >= self._checkpoint_seconds:
                self._save()

    def _first_state(self) -> State:
        resumed = {i: job.state for i, job in self._jobs.items() if job.state}
        if not resumed:
            return self._programs.start(self._keys)
        if len(resumed) < len(self._jobs):
            fresh = self._programs.start(self._keys)
            resumed = {i: parallel.take(fresh, i) for i in self._jobs} | resumed
        return parallel.stack([resumed[i] for i in self._jobs], self._programs.mesh)

    def _moving(self) -> dict[int, Job]:
        """The jobs that are not ahead of the others."""
        return {i: job for i, job in self._jobs.items() if job.step <= self._step}

    def _advance(self) -> None:
        learner, programs = self._learner, self._programs
        epoch, position = divmod(self._step, learner.steps_per_epoch)
        if self._order is None or position == 0:
            self._order = programs.order(self._keys, np.int32(epoch))
        stop = min(
            self._step + self._pace,
            learner.interval(self._step + 1)[1],
            (epoch + 1) * learner.steps_per_epoch,
            *(job.step for job in self._jobs.values() if job.step > self._step),
        )
        begin = time.perf_counter()
        self._state, losses = programs.advance(
            self._state, self._keys, self._order, *programs.train, np.int32(stop)
        )
        losses = np.asarray(losses)  # waits for the devices
        seconds = time.perf_counter() - begin
        steps, moving = stop - self._step, self._moving()
        self._pace = max(1, round(steps / seconds * PORTION_SECONDS))
        self._step = stop
        for index, job in moving.items():
            job.seconds += seconds / len(moving)  # side by side: each takes its share
            if not np.isfinite(losses[index]):
                self._diverge(index)
        sound = [losses[index] for index in moving if index in self._jobs]
        images = steps * len(moving) * learner.batch_size
        self._tell(float(np.mean(sound)) if sound else math.nan, images / seconds)

    def _evaluate(self) -> None:
        begin = time.perf_counter()
        programs = self._programs
        measured = {}
        if self._learner.evaluates(self._step):  # else losses alone are written
            measured = programs.evaluate(self._state, *programs.train, *programs.test)
        table = {name: np.asarray(values) for name, values in measured.items()}
        seconds = time.perf_counter() - begin
        moving = self._moving()
        for index, job in moving.items():
            job.seconds += seconds / len(moving)
            metrics = {name: float(values[index]) for name, values in table.items()}
            losses = self._losses(index)
            # Q may be of no weight.
            needed = [metrics[name] for name in METRICS if name in metrics]
            if not np.isfinite([*losses, *needed]).all():
                self._diverge(index)
                continue
            job.handle.append([{"step": self._step, "losses": losses, **metrics}])
            if self._step == self._learner.total_steps:
                self._finish(index, metrics)

    def _losses(self, index: int) -> np.ndarray:
        """The losses of one run since its last evaluation."""
        since, _ = self._learner.interval(self._step)
        return parallel.take(self._state.losses, index)[: self._step - since]

    def _diverge(self, index: int) -> None:
        """Ends a run at its first loss that is not finite, or here if all are."""
        losses = self._losses(index)
        finite = np.isfinite(losses)
        losses = losses[: len(losses) if finite.all() else finite.argmin() + 1]
        step = self._learner.interval(self._step)[0] + len(losses)
        unknown = dict.fromkeys(self._learner.metrics, math.nan)
        row = {"step": step, "losses": losses, **unknown}
        self._jobs[index].handle.append([row])
        self._end(index, "diverged", step, {})

    def _finish(self, index: int, metrics: dict[str, float]) -> None:
        folder = self._jobs[index].handle.weights
        state = parallel.take(self._state, index)
        with files.clear_refusal(folder.parent):
            weights = {"params": state.params, "other": state.other}
            checkpoints.save_arrays(folder, weights)
        self._end(index, "finished", self._step, metrics)

    def _end(
        self,
        index: int,
        status: Literal["finished", "diverged"],
        step: int,
        metrics: dict[str, float],
    ) -> None:
        job = self._jobs[index]
        result = store.Result(
            status=status,
            steps=step,
            seconds=job.seconds,
            state_bytes=self._learner.state_bytes,
            metrics=metrics,
        )
        del self._jobs[index]  # first: an interrupt must not save an ended run
        job.handle.finish(result)
        shutil.rmtree(job.handle.checkpoints, ignore_errors=True)

    def _save(self) -> None:
        """Writes a checkpoint of every run that has come further than its last."""
        if any(leaf.is_deleted() for leaf in jax.tree.leaves(self._state)):
            return  # interrupted in the instant in which the devices take it over
        for index, job in self._jobs.items():
            state = parallel.take(self._state, index)
            step = int(state.step)
            if step > job.step:
                run = names.run_hash(job.run)
                saved = checkpoints.Checkpoint(
                    step=step, seconds=job.seconds, state=state
                )
                checkpoints.save(job.handle.checkpoints, run, saved)
                job.step = step
        self._saved_at = time.perf_counter()

    def _tell(self, loss: float, images_per_second: float) -> None:
        progress = Progress(
            runs=tuple(job.run for job in self._jobs.values()),
            step=self._step,
            total=self._learner.total_steps,
            loss=loss,
            images_per_second=images_per_second,
        )
        self._on_progress(progress)
