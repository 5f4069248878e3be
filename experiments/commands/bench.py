"""`bench`: how fast it all is on this machine."""

from experiments import bench
from experiments.commands import options, session


def run(options: options.Bench) -> int:
    """Measures and prints."""
    session.check_count("rounds", options.rounds)
    bench.main(options.parts, options.rounds)
    return 0
