"""Optimizers by name, ours and optax's, made from a configuration.

The rivals of the MaS paper ran at Keras's defaults. They are optax's optimizers with
those numbers: `adagrad` adds eps inside the root in both libraries, lr g/sqrt(acc+eps);
`adam` adds it outside, in optax to the bias-corrected root and in Keras to the
uncorrected one, which matters to gradients below some 30 eps only.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import optax

import optax_sign
from experiments.errors import ConfigError, unknown
from experiments.runs import config
from experiments.training import hyperballs

Factory = Callable[..., optax.GradientTransformationExtraArgs]

OPTIMIZERS: Mapping[str, Factory] = {
    "ssd": optax_sign.ssd,
    "m_sgd": optax_sign.m_sgd,
    "m_ssd": optax_sign.m_ssd,
    "mas": optax_sign.mas,
    "svag": optax_sign.svag,
    "m_svag": optax_sign.m_svag,
    "adam_star": optax_sign.adam_star,
    "adarem": optax_sign.adarem,
    "adarem_s": optax_sign.adarem_s,
    "adamw_hyperball": hyperballs.adamw_hyperball,
    "mas_hyperball": hyperballs.mas_hyperball,
    "sgd": optax.sgd,
    "momentum": functools.partial(optax.sgd, momentum=0.9),
    "adam": optax.adam,
    "adamw": optax.adamw,
    "adagrad": optax.adagrad,
    "rmsprop": optax.rmsprop,
    "lion": optax.lion,
    "signum": optax.signum,
    "rprop": optax.rprop,
}

# optax.rprop adapts a step size of its own to every weight, starting from a number.
TAKES_NO_SCHEDULE = ("rprop",)

# Arguments that no configuration file can hold.
NOT_OPTIONS = ("learning_rate", "mask", "scale_invariant")

# optax checks no ranges, optax_sign does: least value, and what it must be below.
RANGES: Mapping[str, tuple[float, float]] = {
    "b1": (0.0, 1.0),
    "b2": (0.0, 1.0),
    "beta": (0.0, 1.0),
    "momentum": (0.0, 1.0),
    "decay": (0.0, 1.0),
    "eps": (0.0, jnp.inf),
    "eps_root": (0.0, jnp.inf),
    "rest": (0.0, jnp.inf),
    "weight_decay": (0.0, jnp.inf),
}


def make(
    optimizer: config.Optimizer,
    total_steps: int,
    *,
    scale_invariant: Any = None,
) -> optax.GradientTransformationExtraArgs:
    """Builds the optimizer for a run of `total_steps`.

    Args:
      optimizer: its configuration.
      total_steps: length of the run, which the schedule is stretched over.
      scale_invariant: for the optimizers that ask which weights a normalisation layer
        follows, a bool for each parameter; None for a network without such weights.

    Raises:
      config.ConfigError: an option is unknown to this optimizer or out of its range,
        the run is too short for the schedule, or `scale_invariant` is missing.
    """
    factory = OPTIMIZERS[optimizer.name]
    options = _checked_options(optimizer, factory)
    if needs_scale_invariance(optimizer):
        if scale_invariant is None:
            raise ConfigError(
                f"Optimizer {optimizer.name!r} is for networks with normalisation "
                f"layers, which this one is without."
            )
        options["scale_invariant"] = scale_invariant
    rate = learning_rate(optimizer, total_steps)
    if callable(rate) and optimizer.name in TAKES_NO_SCHEDULE:
        raise ConfigError(
            f"Optimizer {optimizer.name!r} takes no schedule but 'constant', got "
            f"{optimizer.schedule.name!r}."
        )
    try:
        return factory(rate, **options)
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
    factory = OPTIMIZERS[optimizer.name]
    return "scale_invariant" in inspect.signature(factory).parameters


def _checked_options(optimizer: config.Optimizer, factory: Factory) -> dict[str, Any]:
    arguments = {
        name: argument.default
        for name, argument in inspect.signature(factory).parameters.items()
        if name not in NOT_OPTIONS
    }
    options = dict(optimizer.options)
    ranges = {} if optimizer.name in optax_sign.__all__ else RANGES
    for name, value in options.items():
        if name not in arguments:
            valid = ("learning_rate", *arguments)
            raise unknown(f"option of {optimizer.name}", name, valid)
        allowed = _not_allowed(name, value, arguments[name], ranges.get(name))
        if allowed:
            raise ConfigError(
                f"Option {name} of {optimizer.name} must be {allowed}, got {value!r}."
            )
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
