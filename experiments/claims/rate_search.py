r"""Searches for a learning rate on the grid {1, 3, 6} x 10^m.

`downwards` is the one that *Dissecting Adam* describes (appendix A.2): first the
largest stable step is found, then the search goes down from there. The paper does not
say where it stopped; here it stops after `PATIENCE` steps in a row that were no better
than the best. A step is stable if its run did not fail (`Summary.failure`): diverge, or
end as a guess does, as a network of dead units.

`uphill` is for networks with batch normalisation, which stay stable at rates far above
the best, and for all else that *AdaRem* trains: from where it starts it goes on as long
as it gets better, up or else down.
"""

import dataclasses
import math
from collections.abc import Callable, Generator

import numpy as np

from experiments.runs.config import Optimizer, Run
from experiments.runs.summary import Summary

DIGITS = (1, 3, 6)
PATIENCE = 3
LEAST, GREATEST = 1e-9, 1e6  # rates that are tried
SEARCH_SEED = 1000  # none of those at which claims are tried

# What protocols say of `uphill` by `lowest_final_loss`, and of `downwards`.
CLIMB = (
    "learning rates by steps along the grid {1, 3, 6} x 10^m, as long as the final "
    "training loss of one seed falls"
)
DESCENT = (
    "learning rates of the lowest final training loss of one seed, on the grid "
    "{1, 3, 6} x 10^m downwards from the largest stable one"
)

Load = Callable[[Run], Summary | None]
# Yields the indices of the rates to try, and is sent their scores, -inf if unstable.
Strategy = Callable[[int], Generator[int, float]]


def downwards(index: int) -> Generator[int, float]:
    """From the largest stable rate down, until `PATIENCE` in a row are no better."""
    score = yield index
    while score > -math.inf and index < index_of(GREATEST):
        index += 1
        score = yield index
    while score == -math.inf:
        if index == index_of(LEAST):
            return
        index -= 1
        score = yield index
    best, since = score, 0
    while since < PATIENCE:
        index -= 1
        score = yield index
        best, since = (score, 0) if score > best else (best, since + 1)


def uphill(index: int) -> Generator[int, float]:
    """As long as it gets better: up, or else down, and down to what is stable."""
    here = yield index
    for side in (1, -1):
        while index_of(LEAST) < index < index_of(GREATEST):
            there = yield index + side
            lost = here == there == -math.inf and side == -1
            if there <= here and not lost:
                break
            index, here = index + side, there


def greatest_test_accuracy(summary: Summary) -> float:
    """The highest test accuracy of all evaluations, as the paper selects."""
    return float(np.max(summary.evaluations["test_accuracy"]))


def lowest_final_loss(summary: Summary) -> float:
    """The smoothed training loss at the end, negated: larger is better."""
    return -summary.final_loss


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """A search along the grid, and what runs at the rate that it finds best.

    Attributes:
      base: the run to tune; its own learning rate, on the grid, is tried first.
      score: what is to be as large as possible; of stable runs only.
      strategy: `downwards` or `uphill`.
      seeds: of the runs at the rate found, other than that of `base`; none stands for
        the best run of the search.
      optimizer: what is run at that rate; None for what was searched.
    """

    base: Run
    score: Callable[[Summary], float] = lowest_final_loss
    strategy: Strategy = downwards
    seeds: tuple[int, ...] = ()
    optimizer: Optimizer | None = None

    def at(self, learning_rate: float) -> Run:
        """The run with another learning rate."""
        optimizer = dataclasses.replace(
            self.base.optimizer, learning_rate=learning_rate
        )
        return dataclasses.replace(self.base, optimizer=optimizer)

    def runs(self, learning_rate: float) -> tuple[Run, ...]:
        """What runs at the rate found."""
        if not self.seeds:
            return (self.at(learning_rate),)
        start = self.optimizer or self.base.optimizer
        optimizer = dataclasses.replace(start, learning_rate=learning_rate)
        best = dataclasses.replace(self.base, optimizer=optimizer)
        return tuple(dataclasses.replace(best, seed=seed) for seed in self.seeds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """How far a search has come.

    Attributes:
      tried: learning rates in the order of the search, with what became of them.
      scores: of those that are stable.
      best: the rate with the highest score so far, None if none is stable.
      next: the run that the search needs now, None if it is over.
    """

    tried: dict[float, Summary]
    scores: dict[float, float]
    best: float | None
    next: Run | None


def go_through(search: Search, load: Load) -> Found:
    """Goes through the search as far as the results of its runs are there.

    Args:
      search: what is searched.
      load: the summary of a run, None if it is missing.
    """
    tried: dict[float, Summary] = {}
    scores: dict[float, float] = {}
    walk = search.strategy(index_of(search.base.optimizer.learning_rate))
    index, missing = next(walk), None
    while index is not None:
        rate = grid(index)
        summary = tried.get(rate) or load(search.at(rate))
        if summary is None:
            missing = search.at(rate)
            break
        tried[rate] = summary
        if not summary.failure:
            scores[rate] = search.score(summary)
        try:
            index = walk.send(scores.get(rate, -math.inf))
        except StopIteration:
            index = None
    best = max(scores, key=lambda rate: scores[rate], default=None)
    return Found(tried=tried, scores=scores, best=best, next=missing)


def grid(index: int) -> float:
    """1, 3, 6, 10, 30 for 0, 1, 2, 3, 4, and 0.6, 0.3, 0.1 for -1, -2, -3."""
    power, digit = divmod(index, len(DIGITS))
    return float(f"{DIGITS[digit]}e{power}")  # exactly what one would write


def index_of(rate: float) -> int:
    """The index of a rate on the grid.

    Raises:
      ValueError: the rate is not on the grid.
    """
    power = math.floor(math.log10(rate) + 1e-9)
    for index in range(3 * power, 3 * power + 3):
        if grid(index) == rate:
            return index
    raise ValueError(f"rate must be 1, 3 or 6 times a power of ten, got {rate}.")
