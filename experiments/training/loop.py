"""The loop: takes runs of one group side by side to their end."""

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Sequence
from typing import Literal

import jax
import numpy as np

from experiments.runs import checkpoints, config, files, names, store
from experiments.training.learner import METRICS, Learner, State
from experiments.training.parallel import Lane, Programs, side_by_side
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


class Loop:
    """Trains jobs of one group until all have ended.

    They need not start from the same step: those ahead wait for the others.
    """

    def __init__(
        self,
        learner: Learner,
        programs: Sequence[Programs],
        jobs: Sequence[Job],
        checkpoint_seconds: float,
        on_progress: Callable[[Progress], None],
    ) -> None:
        """Takes as many jobs as there are programs, of the same device or of others."""
        self._learner = learner
        self._jobs = [  # those going on
            (job, Lane(program, job.run.seed, job.state))
            for job, program in zip(jobs, programs, strict=True)
        ]
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

    def _moving(self) -> list[tuple[Job, Lane]]:
        """The jobs that are not ahead of the others."""
        return [pair for pair in self._jobs if pair[0].step <= self._step]

    def _advance(self) -> None:
        learner, moving = self._learner, self._moving()
        epoch = self._step // learner.steps_per_epoch
        stop = min(
            self._step + self._pace,
            learner.interval(self._step + 1)[1],
            (epoch + 1) * learner.steps_per_epoch,
            *(job.step for job, _ in self._jobs if job.step > self._step),
        )
        begin = time.perf_counter()
        losses = side_by_side(lambda pair: pair[1].advance(epoch, stop), moving)
        seconds = time.perf_counter() - begin
        steps = stop - self._step
        self._pace = max(1, round(steps / seconds * PORTION_SECONDS))
        self._step = stop
        for (job, lane), loss in zip(moving, losses, strict=True):
            job.seconds += seconds / len(moving)  # side by side: each takes its share
            # The mean of finite losses may overflow, which depends on the portion.
            if not np.isfinite(loss) and not np.isfinite(self._losses(lane)).all():
                self._diverge(job, lane)
        sound = [loss for loss in losses if np.isfinite(loss)]
        images = steps * len(moving) * learner.batch_size
        self._tell(float(np.mean(sound)) if sound else math.nan, images / seconds)

    def _evaluate(self) -> None:
        begin, moving = time.perf_counter(), self._moving()
        measured = [{} for _ in moving]
        if self._learner.evaluates(self._step):  # else losses alone are written
            measured = side_by_side(lambda pair: pair[1].evaluate(), moving)
        seconds = time.perf_counter() - begin
        for (job, lane), metrics in zip(moving, measured, strict=True):
            job.seconds += seconds / len(moving)
            losses = self._losses(lane)
            # Q may be of no weight.
            needed = [metrics[name] for name in METRICS if name in metrics]
            if not np.isfinite([*losses, *needed]).all():
                self._diverge(job, lane)
                continue
            job.handle.append([{"step": self._step, "losses": losses, **metrics}])
            if self._step == self._learner.total_steps:
                self._finish(job, lane, metrics)

    def _losses(self, lane: Lane) -> np.ndarray:
        """The losses of one run since its last evaluation."""
        since, _ = self._learner.interval(self._step)
        return np.array(lane.state.losses)[: self._step - since]

    def _diverge(self, job: Job, lane: Lane) -> None:
        """Ends a run at its first loss that is not finite, or here if all are."""
        losses = self._losses(lane)
        finite = np.isfinite(losses)
        losses = losses[: len(losses) if finite.all() else finite.argmin() + 1]
        step = self._learner.interval(self._step)[0] + len(losses)
        unknown = dict.fromkeys(self._learner.metrics, math.nan)
        row = {"step": step, "losses": losses, **unknown}
        job.handle.append([row])
        self._end(job, "diverged", step, {})

    def _finish(self, job: Job, lane: Lane, metrics: dict[str, float]) -> None:
        folder = job.handle.weights
        with files.clear_refusal(folder.parent):
            weights = {"params": lane.state.params, "other": lane.state.other}
            checkpoints.save_arrays(folder, jax.tree.map(np.array, weights))
        self._end(job, "finished", self._step, metrics)

    def _end(
        self,
        job: Job,
        status: Literal["finished", "diverged"],
        step: int,
        metrics: dict[str, float],
    ) -> None:
        result = store.Result(
            status=status,
            steps=step,
            seconds=job.seconds,
            state_bytes=self._learner.state_bytes,
            metrics=metrics,
        )
        # First: an interrupt must not save an ended run.
        self._jobs = [pair for pair in self._jobs if pair[0] is not job]
        job.handle.finish(result)
        shutil.rmtree(job.handle.checkpoints, ignore_errors=True)

    def _save(self) -> None:
        """Writes a checkpoint of every run that has come further than its last."""
        for job, lane in self._jobs:
            state = lane.held()
            if state and (step := int(state.step)) > job.step:
                run = names.run_hash(job.run)
                saved = checkpoints.Checkpoint(
                    step=step,
                    seconds=job.seconds,
                    state=state,
                    made_with=self._learner.made_with,
                )
                checkpoints.save(job.handle.checkpoints, run, saved)
                job.step = step
        self._saved_at = time.perf_counter()

    def _tell(self, loss: float, images_per_second: float) -> None:
        progress = Progress(
            runs=tuple(job.run for job, _ in self._jobs),
            step=self._step,
            total=self._learner.total_steps,
            loss=loss,
            images_per_second=images_per_second,
        )
        self._on_progress(progress)
