"""An optimizer in one word of the command line: adam,learning_rate=0.01,b1=0.5."""

from typing import Any

from experiments.errors import ConfigError, unknown
from experiments.runs import config

# For an optimizer that is named without a rate. Those of Dissecting Adam are what its
# authors found for a small CNN on Fashion-MNIST, the others the defaults of Keras or of
# the optimizer's own paper.
RATES = {
    "ssd": 1e-4,
    "m_sgd": 0.1,
    "m_ssd": 3e-4,
    "mas": 2e-4,
    "svag": 0.1,
    "m_svag": 0.3,
    "adam_star": 1e-3,
    "adarem": 0.1,
    "adarem_s": 0.1,
    "adamw_hyperball": 0.01,
    "mas_hyperball": 0.01,
    "sgd": 0.01,
    "momentum": 0.01,
    "adam": 1e-3,
    "adamw": 1e-3,
    "adagrad": 1e-3,
    "rmsprop": 1e-3,
    "lion": 1e-4,
    "signum": 3e-4,
    "rprop": 1e-3,
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
    if name not in config.OPTIMIZERS:
        raise unknown("optimizer", name, config.OPTIMIZERS)
    options: dict[str, config.Option] = {}
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if not (option and equals and value) or option in options:
            raise ConfigError(
                f"Optimizers are written as name,option=value,… with each option once, "
                f"got {word!r}."
            )
        options[option] = _value(value)
    rate: Any = options.pop("learning_rate", RATES[name])
    return config.Optimizer(
        name=name,
        learning_rate=rate,  # which checks that it is a number
        options=tuple(options.items()),
        schedule=schedule,
    )


def spell(optimizer: config.Optimizer) -> str:
    """The word that `parse` reads; the schedule is not part of it."""
    options = {"learning_rate": optimizer.learning_rate, **dict(optimizer.options)}
    pairs = (f"{name}={value}" for name, value in options.items())
    return ",".join((optimizer.name, *pairs))


def name_of(run: config.Run) -> str:
    """What the run is called in messages and tables."""
    return f"{spell(run.optimizer)} on {run.model}, seed {run.seed}"


def _value(text: str) -> config.Option:
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
