"""Optimizers by name, ours and optax's, made from a configuration.

Adding one: its row in `OPTIMIZERS`.

The rivals of the MaS paper ran at Keras's defaults. They are optax's optimizers with
those numbers: `adagrad` adds eps inside the root in both libraries, lr g/sqrt(acc+eps);
`adam` adds it outside, in optax to the bias-corrected root and in Keras to the
uncorrected one, which matters to gradients below some 30 eps only.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

import optax_sign
from experiments.errors import ConfigError, unknown
from experiments.runs import config
from experiments.training import hyperball


class Row(NamedTuple):
    """An optimizer that a run may name.

    Attributes:
      make: takes the learning rate and the options.
      rate: the learning rate of one that is named without. Those of Dissecting Adam are
        what its authors found for a small CNN on Fashion-MNIST, the others the defaults
        of Keras or of the optimizer's own paper.
      scheduled: whether its rate may follow a schedule.
    """

    make: Callable[..., optax.GradientTransformationExtraArgs]
    rate: float
    scheduled: bool = True


OPTIMIZERS: Mapping[str, Row] = {
    "ssd": Row(optax_sign.ssd, 1e-4),
    "m_sgd": Row(optax_sign.m_sgd, 0.1),
    "m_ssd": Row(optax_sign.m_ssd, 3e-4),
    "mas": Row(optax_sign.mas, 2e-4),
    "svag": Row(optax_sign.svag, 0.1),
    "m_svag": Row(optax_sign.m_svag, 0.3),
    "adam_star": Row(optax_sign.adam_star, 1e-3),
    "adarem": Row(optax_sign.adarem, 0.1),
    "adarem_s": Row(optax_sign.adarem_s, 0.1),
    "adamw_hyperball": Row(hyperball.adamw_hyperball, 0.01),
    "mas_hyperball": Row(hyperball.mas_hyperball, 0.01),
    "sgd": Row(optax.sgd, 0.01),
    "momentum": Row(functools.partial(optax.sgd, momentum=0.9), 0.01),
    "adam": Row(optax.adam, 1e-3),
    "adamw": Row(optax.adamw, 1e-3),
    "adagrad": Row(optax.adagrad, 1e-3),
    "rmsprop": Row(optax.rmsprop, 1e-3),
    "lion": Row(optax.lion, 1e-4),
    "signum": Row(optax.signum, 3e-4),
    # Adapts a step size of its own to every weight, starting from a number.
    "rprop": Row(optax.rprop, 1e-3, scheduled=False),
}

# Arguments that no configuration file can hold.
_NOT_OPTIONS = ("learning_rate", "mask", "scale_invariant", "batch_axes")

# optax checks no ranges, optax_sign does: least value, and what it must be below.
_BELOW_ONE, _NOT_NEGATIVE = (0.0, 1.0), (0.0, jnp.inf)
_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("b1", "b2", "beta", "momentum", "decay"), _BELOW_ONE),
    **dict.fromkeys(("eps", "eps_root", "rest", "weight_decay"), _NOT_NEGATIVE),
}

_CONSTANTS = {"true": True, "false": False, "none": None}


def parse(
    word: str,
    schedule: config.Schedule = config.Schedule(),  # noqa: B008 (frozen)
) -> config.Optimizer:
    """Reads `name` or `name,option=value,…`, where `learning_rate` is an option, too.

    Raises:
      ConfigError: the word is not of that form, the name is unknown or the rate is not
        allowed; whether the optimizer knows the options is checked when it is made.
    """
    name, *pairs = word.split(",")
    if name not in OPTIMIZERS:
        raise unknown("optimizer", name, OPTIMIZERS)
    options: dict[str, config.Option] = {}
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if not (option and equals and value) or option in options:
            raise ConfigError(
                f"Optimizers are written as name,option=value,… with each option once, "
                f"got {word!r}."
            )
        options[option] = _value(value)
    rate: Any = options.pop("learning_rate", OPTIMIZERS[name].rate)
    return config.Optimizer(
        name=name,
        learning_rate=rate,  # which checks that it is a number
        options=tuple(options.items()),
        schedule=schedule,
    )


def make(
    optimizer: config.Optimizer, total_steps: int, *, scale_invariant: Any = None
) -> optax.GradientTransformationExtraArgs:
    """Builds the optimizer for a run of `total_steps`.

    Optimizers that ask which weights a normalisation layer follows are told by
    `scale_invariant`, a bool for each parameter; None: the network has no such weights.

    Raises:
      ConfigError: an option is unknown to this optimizer or out of its range,
        the run is too short for the schedule, or `scale_invariant` is missing.
    """
    row = OPTIMIZERS[optimizer.name]
    options = _checked_options(optimizer, row)
    if needs_scale_invariance(optimizer):
        if scale_invariant is None:
            raise ConfigError(
                f"Optimizer {optimizer.name!r} is for networks with normalisation "
                f"layers, which this one is without."
            )
        options["scale_invariant"] = scale_invariant
    rate = learning_rate(optimizer, total_steps)
    if callable(rate) and not row.scheduled:
        raise ConfigError(
            f"Optimizer {optimizer.name!r} takes no schedule but 'constant', got "
            f"{optimizer.schedule.name!r}."
        )
    try:
        return row.make(rate, **options)
    except ValueError as error:
        raise ConfigError(f"Optimizer {optimizer.name!r}: {error}") from error


def learning_rate(
    optimizer: config.Optimizer, total_steps: int
) -> optax.ScalarOrSchedule:
    """The learning rate, a number if it is constant, else a schedule over the steps."""
    rate, schedule = optimizer.learning_rate, optimizer.schedule
    if schedule.name == "constant":
        return rate
    if schedule.name == "cosine":
        return optax.cosine_decay_schedule(rate, total_steps)
    steps = [round(fraction * total_steps) for fraction in schedule.boundaries]
    inner = [0, *steps, total_steps]
    if any(a >= b for a, b in zip(inner, inner[1:], strict=False)):
        raise ConfigError(
            f"schedule boundaries {schedule.boundaries} fall on the steps {steps}, "
            f"which a run of {total_steps} steps cannot tell apart."
        )
    return optax.piecewise_constant_schedule(
        rate, dict.fromkeys(steps, schedule.factor)
    )


def needs_variance(optimizer: config.Optimizer) -> bool:
    """Whether `update` wants the variance of the mini-batch gradient as `variance=`."""
    return dict(optimizer.options).get("variance") == "mini_batch"


def needs_scale_invariance(optimizer: config.Optimizer) -> bool:
    """Whether it asks which weights a normalisation layer follows."""
    make = OPTIMIZERS[optimizer.name].make
    return "scale_invariant" in inspect.signature(make).parameters


def _value(text: str) -> config.Option:
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _checked_options(optimizer: config.Optimizer, row: Row) -> dict[str, Any]:
    arguments = {
        name: argument.default
        for name, argument in inspect.signature(row.make).parameters.items()
        if name not in _NOT_OPTIONS
    }
    options = dict(optimizer.options)
    ranges = {} if optimizer.name in optax_sign.__all__ else _RANGES
    for name, value in options.items():
        if name not in arguments:
            valid = [other for other in ("learning_rate", *arguments) if other != name]
            raise unknown(f"option of {optimizer.name}", name, valid)
        allowed = _not_allowed(name, value, arguments[name], ranges.get(name))
        if allowed:
            raise ConfigError(
                f"Option {name} of {optimizer.name} must be {allowed}, got {value!r}."
            )
        if type(value) is int and not isinstance(arguments[name], int):
            options[name] = float(value)  # JAX's own integers end at 2**31
    return options


def _not_allowed(
    name: str, value: config.Option, default: Any, within: tuple[float, float] | None
) -> str | None:
    """What the option should be, or None if it is that; its default tells the type."""
    if value is None and default is None:
        return None
    if name.endswith("dtype"):
        return None if _is_floating(value) else "a floating type such as 'bfloat16'"
    if isinstance(default, bool | str):
        what = "true or false" if isinstance(default, bool) else "a string"
        return None if isinstance(value, type(default)) else what
    if isinstance(value, bool | str | None):
        return "a number"
    if isinstance(default, int) and not isinstance(value, int):
        return "an integer"
    if within is None or within[0] <= value < within[1]:
        return None
    return f"in [{within[0]:g}, {within[1]:g})"


def _is_floating(name: config.Option) -> bool:
    try:
        return isinstance(name, str) and jnp.issubdtype(jnp.dtype(name), jnp.floating)
    except TypeError:
        return False
