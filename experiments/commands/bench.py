"""`bench`: how fast it all is on this machine."""

import dataclasses
from typing import Literal

from experiments.commands.train import check_count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Measures the time and memory of optimizers and networks on this machine.

    Example: python -m experiments bench --parts optimizers --rounds 1

    Attributes:
      parts: of optimizers (one step on 124 M weights), training (the networks, and the
        variance of their gradients) and explorer (its page); all by default.
      rounds: how often all is measured; the table shows medians.
    """

    parts: tuple[Literal["optimizers", "training", "explorer"], ...] = (
        "optimizers",
        "training",
        "explorer",
    )
    rounds: int = 3


def run(options: Bench) -> int:
    """Measures and prints."""
    from experiments import bench

    check_count("rounds", options.rounds)
    bench.main(options.parts, options.rounds)
    return 0
