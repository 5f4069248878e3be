"""What a run is: frozen dataclasses, which check what JSON and commands can bring.

Types and ranges, that is; whether there is a network, a data set or an optimizer of
that name is known where it is looked up.
"""

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Any

from experiments.errors import ConfigError, unknown

# The counter of steps is an int32.
MOST = 2**31 - 1

SCHEDULES = ("constant", "cosine", "step")


def _set(instance: Any, field: str, value: Any) -> None:
    object.__setattr__(instance, field, value)  # the only way in a frozen dataclass


def _number(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{what} must be a number, got {value!r}.")
    if not abs(value) <= sys.float_info.max:  # also true of nan and of huge integers
        raise ConfigError(f"{what} must be finite, got {value!r}.")
    return float(value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate changes over a run.

    Attributes:
      name: "constant", "cosine" (to zero at the end) or "step".
      boundaries: for "step", the fractions of the run, strictly between 0 and 1 and
        increasing, at which the rate is multiplied by `factor`.
      factor: for "step", what the rate is multiplied by at each boundary.
    """

    name: str = "constant"
    boundaries: tuple[float, ...] = ()
    factor: float = 0.1

    def __post_init__(self) -> None:
        """Rejects what no schedule could follow."""
        if self.name not in SCHEDULES:
            raise unknown("schedule", self.name, SCHEDULES)
        if not isinstance(self.boundaries, tuple | list):
            raise ConfigError(
                f"schedule boundaries must be a list of fractions, got "
                f"{self.boundaries!r}."
            )
        numbers = (_number("schedule boundary", b) for b in self.boundaries)
        _set(self, "boundaries", tuple(numbers))
        _set(self, "factor", _number("schedule factor", self.factor))
        if self.factor <= 0:
            raise ConfigError(f"schedule factor must be > 0, got {self.factor}.")
        inner = (0.0, *self.boundaries, 1.0)
        if any(a >= b for a, b in zip(inner, inner[1:], strict=False)):
            raise ConfigError(
                f"schedule boundaries must increase and lie strictly between 0 and 1, "
                f"got {self.boundaries}."
            )
        if (self.name == "step") != bool(self.boundaries):
            raise ConfigError(
                f"schedule boundaries are needed by 'step' and by no other schedule, "
                f"got {self.boundaries} with {self.name!r}."
            )
        if self.name != "step" and self.factor != Schedule.factor:
            raise ConfigError(
                f"schedule factor belongs to 'step' only, got {self.factor} with "
                f"{self.name!r}."
            )


Option = bool | int | float | None | str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """An optimizer with its hyper-parameters.

    Attributes:
      name: of the optimizer.
      learning_rate: the base rate, > 0, before the schedule.
      options: further arguments of the optimizer as (name, value) pairs; kept sorted,
        so that their order does not matter. Data types are given by name ("bfloat16").
      schedule: how the rate changes over the run.
    """

    name: str
    learning_rate: float
    options: tuple[tuple[str, Option], ...] = ()
    schedule: Schedule = Schedule()

    def __post_init__(self) -> None:
        """Rejects rates and options that no optimizer takes."""
        _check_text("optimizer", self.name)
        _set(self, "learning_rate", _number("learning_rate", self.learning_rate))
        if self.learning_rate <= 0:
            raise ConfigError(f"learning_rate must be > 0, got {self.learning_rate}.")
        _set(self, "options", _sorted_options(self.options))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What runs have in common that differ in optimizer and seed only.

    Attributes:
      dataset: the data; see: list datasets.
      model: the network; see: list networks.
      batch_size: examples a step; the last partial batch of an epoch is dropped.
      epochs: length in passes over the training set.
      steps: length in steps, in place of epochs.
      shuffle: shuffle the training set anew for every epoch.
      augment: crop, mirror and distort the training images at random.
      l2: factor of the penalty l2/2 ||w||^2 that is trained on with the loss, over all
        parameters of two or more dimensions: weights, not biases or scales.
      track_oscillation: measure at evaluations how much the parameters oscillated since
        the one before.
      eval_every: steps between two evaluations.
    """

    dataset: str = "fashion_mnist"
    model: str = "mlp"
    batch_size: int = 64
    epochs: int | None = None
    steps: int | None = None
    shuffle: bool = True
    augment: bool = False
    l2: float = 0.0
    track_oscillation: bool = False
    eval_every: int = 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run(Settings):
    """One training run; two equal runs give the same numbers.

    Attributes:
      optimizer: the optimizer and its hyper-parameters.
      seed: of initialisation, shuffling, augmentation and dropout.
    """

    optimizer: Optimizer
    seed: int = 0

    def __post_init__(self) -> None:
        """Rejects every value that training could not start with."""
        _check_text("dataset", self.dataset)
        _check_text("model", self.model)
        given = [k for k in ("epochs", "steps") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"Exactly one of epochs and steps must be given, got "
                f"epochs={self.epochs!r} and steps={self.steps!r}."
            )
        for name in ("batch_size", "eval_every", *given):
            _check_int(name, getattr(self, name), 1, MOST)
        _check_int("seed", self.seed, 0, 2**32 - 1)  # JAX drops higher bits of a seed
        for name in ("shuffle", "augment", "track_oscillation"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ConfigError(f"{name} must be true or false, got {value!r}.")
        _set(self, "l2", _number("l2", self.l2))
        if self.l2 < 0:
            raise ConfigError(f"l2 must be >= 0, got {self.l2}.")


def steps_per_epoch(run: Run, train_size: int) -> int:
    """Number of full batches in a training set of `train_size` examples."""
    if run.batch_size > train_size:
        raise ConfigError(
            f"batch_size must be at most {train_size}, the size of the training set "
            f"of {run.dataset!r}, got {run.batch_size}."
        )
    return train_size // run.batch_size


def total_steps(run: Run, train_size: int) -> int:
    """Number of optimizer steps of the whole run."""
    an_epoch = steps_per_epoch(run, train_size)
    if run.steps is not None:
        return run.steps
    assert run.epochs is not None  # __post_init__ saw to it
    _check_int("epochs", run.epochs, 1, MOST // an_epoch)
    return run.epochs * an_epoch


def to_json(run: Run) -> dict[str, Any]:
    """The run as plain JSON values; options become an object."""
    tree = dataclasses.asdict(run)
    tree["optimizer"]["options"] = dict(run.optimizer.options)
    return tree


def from_json(tree: Mapping[str, Any]) -> Run:
    """The run that `to_json` wrote; unknown and missing keys are rejected."""
    fields = _fields("run", Run, tree)
    optimizer = _fields("optimizer", Optimizer, fields.pop("optimizer"))
    options = optimizer.get("options", {})
    if not isinstance(options, Mapping):
        raise ConfigError(f"options must be a JSON object, got {options!r}.")
    optimizer["options"] = tuple(options.items())
    if "schedule" in optimizer:
        schedule = _fields("schedule", Schedule, optimizer["schedule"])
        optimizer["schedule"] = Schedule(**schedule)
    return Run(optimizer=Optimizer(**optimizer), **fields)


def _check_text(what: str, name: object) -> None:
    if not isinstance(name, str):
        raise ConfigError(f"{what} must be a name, got {name!r}.")


def _check_int(what: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{what} must be an integer >= {least}, got {value!r}.")
    if value > most:
        raise ConfigError(f"{what} must be at most {most}, got {value!r}.")


def _sorted_options(
    options: tuple[tuple[str, Option], ...],
) -> tuple[tuple[str, Option], ...]:
    pairs = {}
    if not isinstance(options, tuple | list):
        raise ConfigError(f"options must be (name, value) pairs, got {options!r}.")
    for name, value in options:
        if not name.isidentifier() or name in pairs:
            raise ConfigError(
                f"Option names must be distinct argument names, got {name!r}."
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"Option {name} must be finite, got {value!r}.")
        if isinstance(value, int) and abs(value) > 2**53:
            raise ConfigError(f"Option {name} must be at most 2**53, got {value!r}.")
        if not isinstance(value, float | int | str | bool | None):
            raise ConfigError(
                f"Option {name} must be a number, a string, true, false or null, got "
                f"{value!r}."
            )
        pairs[name] = value
    return tuple(sorted(pairs.items()))


def _fields(what: str, kind: type, tree: object) -> dict[str, Any]:
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{what} must be a JSON object, got {tree!r}.")
    valid = {field.name: field for field in dataclasses.fields(kind)}
    for key in tree:
        if key not in valid:
            raise unknown(f"key of the {what}", key, valid)
    for name, field in valid.items():
        if name not in tree and field.default is dataclasses.MISSING:
            raise ConfigError(f"The key {name!r} is missing from the {what}.")
    return dict(tree)
