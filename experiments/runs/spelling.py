"""A run and its optimizer in words of the command line and of messages."""

from experiments.runs import config


def spell(optimizer: config.Optimizer) -> str:
    """The word that `optimizers.parse` reads; the schedule is not part of it."""
    options = {"learning_rate": optimizer.learning_rate, **dict(optimizer.options)}
    pairs = (f"{name}={value}" for name, value in options.items())
    return ",".join((optimizer.name, *pairs))


def name_of(run: config.Run) -> str:
    """What the run is called in messages and tables."""
    return f"{spell(run.optimizer)} on {run.model}, seed {run.seed}"
