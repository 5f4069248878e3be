"""The training that commands have in common: devices, progress, summaries."""

import collections
import functools
import os
import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from experiments import environment
from experiments.commands.options import Place, Settings
from experiments.errors import ConfigError
from experiments.runs import config, identity, spelling
from experiments.runs.store import Result, Store
from experiments.runs.summary import Summary, summarize
from experiments.training.progress import Watch

# Where there is no terminal to fit, wide enough for every table.
WIDTH = 140

# The length of a run for which the user gave none.
EPOCHS = 5


def console() -> Console:
    """The user's terminal, or the file that stands in its place."""
    width = None if sys.stdout.isatty() else WIDTH
    return Console(highlight=False, markup=False, width=width)


def check_count(name: str, value: int) -> None:
    """Rejects a number of things that leaves none.

    Raises:
      ConfigError: it is below one.
    """
    if value < 1:
        raise ConfigError(f"{name} must be an integer >= 1, got {value}.")


def runs(optimizer: str, settings: Settings) -> tuple[config.Run, ...]:
    """One run a seed of the optimizer that is spelled so.

    Raises:
      ConfigError: one of the settings is not allowed.
    """
    check_count("seeds", settings.seeds)
    schedule = config.Schedule(
        name=settings.schedule,
        boundaries=settings.boundaries,
        factor=settings.factor,
    )
    endless = settings.epochs is None and settings.steps is None
    first = settings.first_seed
    return tuple(
        config.Run(
            dataset=settings.dataset,
            model=settings.model,
            optimizer=spelling.parse(optimizer, schedule),
            batch_size=settings.batch_size,
            epochs=EPOCHS if endless else settings.epochs,
            steps=settings.steps,
            shuffle=settings.shuffle,
            augment=settings.augment,
            l2=settings.l2,
            track_oscillation=settings.track_oscillation,
            eval_every=settings.eval_every,
            seed=seed,
        )
        for seed in range(first, first + settings.seeds)
    )


def train(
    runs: Sequence[config.Run],
    place: Place,
    console: Console,
    on_summary: Callable[[Summary], None] = lambda summary: None,
    side_by_side: int = 1,
) -> list[Summary]:
    """Trains those of the runs that have not ended, and summarizes all of them.

    Args:
      runs: any runs.
      place: where.
      console: where progress is shown.
      on_summary: called with each run as soon as it has ended.
      side_by_side: the most seeds that later calls of this process will bring, which
        can have no more devices than this one.

    Returns:
      The summaries, in the order of the runs.
    """
    check_count("devices", 1 if place.devices is None else place.devices)
    seeds = collections.Counter(identity.group_key(run) for run in dict.fromkeys(runs))
    most = max(side_by_side, *seeds.values())
    environment.prepare(place.devices or min(most, os.cpu_count() or 1))
    # Only now: they load JAX, which reads what has just been prepared.
    import jax

    from experiments.data import datasets
    from experiments.training import learner
    from experiments.training import train as training

    load = functools.cache(lambda name: datasets.load(name, place.data_dir))
    store = Store(place.runs.absolute())  # as orbax wants it

    @functools.cache
    def weights(model: str, dataset: str) -> int:
        run = next(r for r in runs if (r.model, r.dataset) == (model, dataset))
        params = learner.Learner(run, load(dataset)).abstract.params
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    def summary(run: config.Run) -> Summary:
        return summarize(store, run, weights(run.model, run.dataset))

    def on_end(run: config.Run, result: Result) -> None:
        on_summary(summary(run))

    with Watch(console, store, runs, on_end) as watch:
        training.train(runs, store, data_dir=place.data_dir, on_progress=watch)
    return [summary(run) for run in runs]


def exit_code(summaries: Sequence[Summary]) -> int:
    """1 if a run diverged, with a sentence that says which, else 0."""
    diverged = [s for s in summaries if s.result.status == "diverged"]
    if not diverged:
        return 0
    names = "; ".join(
        f"{spelling.name_of(s.run)} at step {s.result.steps}" for s in diverged
    )
    print(
        f"The loss stopped being finite, so these runs ended early, which a smaller "
        f"learning rate may prevent: {names}.",
        file=sys.stderr,
    )
    return 1
