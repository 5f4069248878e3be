"""`train`: one optimizer, one seed or several; and the training of other commands.

Options are checked for their type only; values are checked later, since tyro would wrap
our messages in its own.
"""

import dataclasses
import functools
import math
import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from experiments import environment
from experiments.commands import interrupts
from experiments.errors import ConfigError
from experiments.runs import config, names
from experiments.runs.store import Result, Store
from experiments.runs.summary import Summary, summarize

# Options whose absence means something that no value could say.
Number = Annotated[int | None, arg(metavar="INT", help_behavior_hint="")]
Path = Annotated[pathlib.Path | None, arg(metavar="PATH", help_behavior_hint="")]

# Where there is no terminal to fit, wide enough for every table.
WIDTH = 140

# The length of a run for which the user gave none.
EPOCHS = 5

# The most seeds of a command, which are looked at one by one, and the most devices,
# each of which keeps three files open.
SEEDS, DEVICES = 100_000, 256


def stored_runs() -> pathlib.Path:
    """Where runs are stored if the user names no other place."""
    return pathlib.Path(os.environ.get("OPTAX_SIGN_RUNS") or "runs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where runs are stored, data is found and training takes place.

    Attributes:
      runs: folder of the stored runs ($OPTAX_SIGN_RUNS sets the default).
      data_dir: folder with the data set's files as published, for a machine that cannot
        download them.
      devices: seeds to train side by side on a CPU (default: one a core).
    """

    runs: pathlib.Path = dataclasses.field(default_factory=stored_runs)
    data_dir: Path = None
    devices: Number = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(config.Settings):
    """The runs, apart from their optimizer.

    Attributes:
      epochs: passes over the training set (default: 5).
      steps: length in steps, in place of epochs.
      seeds: how many runs, which differ in initial weights and shuffling.
      first_seed: seed of the first of them.
      schedule: of the learning rate, one of constant, cosine (to zero) and step.
      boundaries: with the schedule step, the fractions of the run at which the rate is
        multiplied by the factor.
      factor: with the schedule step, what it is multiplied by.
    """

    epochs: Number = None
    steps: Number = None
    seeds: int = 1
    first_seed: int = 0
    schedule: str = "constant"
    boundaries: Annotated[
        tuple[float, ...], arg(metavar="FLOAT ...", help_behavior_hint="")
    ] = ()
    factor: float = config.Schedule.factor


# Without a name, the options of these are not prefixed with one.
AllSettings = Annotated[Settings, arg(name="")]
AnyPlace = Annotated[Place, arg(name="")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train:
    """Trains a network with one optimizer and stores the runs.

    Example: python -m experiments train --optimizer mas --seeds 3

    Attributes:
      optimizer: its name (see: list optimizers), or with options as in
        adam,learning_rate=0.01,b1=0.5.
    """

    optimizer: str = "mas"
    settings: AllSettings = dataclasses.field(default_factory=Settings)
    place: AnyPlace = dataclasses.field(default_factory=Place)


def run(options: Train) -> int:
    """Trains; the exit code tells whether a run diverged."""
    runs = runs_of(options.optimizer, options.settings)
    return exit_code(train(runs, options.place, terminal()))


def terminal() -> Console:
    """The user's terminal, or the file that stands in its place."""
    width = None if sys.stdout.isatty() else WIDTH
    return Console(highlight=False, markup=False, width=width)


def check_count(name: str, value: int, most: float = math.inf) -> None:
    """Rejects a number of things that leaves none, or that no machine could do."""
    if value < 1:
        raise ConfigError(f"{name} must be an integer >= 1, got {value}.")
    if value > most:
        raise ConfigError(f"{name} must be at most {most}, got {value}.")


def runs_of(optimizer: str, settings: Settings) -> tuple[config.Run, ...]:
    """One run a seed of the optimizer that is spelled so.

    Raises:
      ConfigError: one of the settings is not allowed.
    """
    from experiments.training import optimizers  # which imports JAX

    check_count("seeds", settings.seeds, SEEDS)
    schedule = config.Schedule(
        name=settings.schedule, boundaries=settings.boundaries, factor=settings.factor
    )
    fields = dataclasses.fields(config.Settings)
    shared = {field.name: getattr(settings, field.name) for field in fields}
    if settings.epochs is None and settings.steps is None:
        shared["epochs"] = EPOCHS
    parsed, first = optimizers.parse(optimizer, schedule), settings.first_seed
    seeds = range(first, first + settings.seeds)
    return tuple(config.Run(optimizer=parsed, seed=seed, **shared) for seed in seeds)


def train(
    runs: Sequence[config.Run],
    place: Place,
    console: Console,
    on_summary: Callable[[Summary], None] = lambda summary: None,
) -> list[Summary]:
    """Trains those of the runs that have not ended, and summarizes all, in their order.

    `on_summary` is called with each run as soon as it has ended.
    """
    check_count("devices", 1 if place.devices is None else place.devices, DEVICES)
    environment.prepare()
    # Only now: they load JAX, which reads what has just been prepared.
    import jax

    from experiments.data import datasets
    from experiments.training import learner
    from experiments.training import train as training
    from experiments.training.progress import Progress, Watch

    devices = jax.devices()
    if devices[0].platform == "cpu":
        together = place.devices or os.cpu_count() or 1
        devices = devices[:1] * min(together, len(runs))
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

    with Watch(console, store, runs, on_end) as watch, interrupts.saving() as stop_here:

        def on_progress(event: Progress) -> None:
            watch(event)
            stop_here()

        training.train(
            runs,
            store,
            data_dir=place.data_dir,
            devices=devices,
            on_progress=on_progress,
        )
    return [summary(run) for run in runs]


def exit_code(summaries: Sequence[Summary]) -> int:
    """1 if a run diverged, with a sentence that says which, else 0."""
    diverged = [s for s in summaries if s.result.status == "diverged"]
    if not diverged:
        return 0
    told = "; ".join(
        f"{names.name_of(s.run)} at step {s.result.steps}" for s in diverged
    )
    print(
        f"The loss stopped being finite, so these runs ended early, which a smaller "
        f"learning rate may prevent: {told}.",
        file=sys.stderr,
    )
    return 1
