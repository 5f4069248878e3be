"""`train`: one optimizer, one seed or several."""

from experiments.commands import options, session


def run(options: options.Train) -> int:
    """Trains; the exit code tells whether a run diverged."""
    runs = session.runs(options.optimizer, options.settings)
    summaries = session.train(runs, options.place, session.console())
    return session.exit_code(summaries)
