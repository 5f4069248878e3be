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
from collections.abc import Callable

import numpy as np

from experiments.runs.config import Run
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """A search along the grid.

    Attributes:
      base: the run to tune; its own learning rate, on the grid, is tried first.
      score: what is to be as large as possible; of stable runs only.
      strategy: `downwards` or `uphill`.
    """

    base: Run
    score: Callable[[Summary], float]
    strategy: "Callable[[Search, Load], Found]" = dataclasses.field(
        default_factory=lambda: downwards
    )

    def at(self, learning_rate: float) -> Run:
        """The run with another learning rate."""
        optimizer = dataclasses.replace(
            self.base.optimizer, learning_rate=learning_rate
        )
        return dataclasses.replace(self.base, optimizer=optimizer)


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
    return search.strategy(search, load)


def downwards(search: Search, load: Load) -> Found:
    """From the largest stable rate down, until `PATIENCE` in a row are no better."""
    walk = _Walk(search, load)
    index = index_of(search.base.optimizer.learning_rate)
    up = walk.stable(index)
    while up and index < index_of(GREATEST):
        index += 1
        up = walk.stable(index)
    while up is False:
        index -= 1
        up = walk.stable(index)
        if index < index_of(LEAST):
            return walk.found(None)
    if up is None:
        return walk.found(index)
    best, since = -math.inf, 0
    while since < PATIENCE:
        score = walk.score(index)
        if score is None:
            return walk.found(index)
        best, since = (score, 0) if score > best else (best, since + 1)
        index -= 1
    return walk.found(None)


def uphill(search: Search, load: Load) -> Found:
    """As long as it gets better: up, or else down, and down to what is stable."""
    walk = _Walk(search, load)
    index = index_of(search.base.optimizer.learning_rate)
    here = walk.score(index)
    if here is None:
        return walk.found(index)
    for side in (1, -1):
        while index_of(LEAST) < index < index_of(GREATEST):
            there = walk.score(index + side)
            if there is None:
                return walk.found(index + side)
            lost = here == there == -math.inf and side == -1
            if there <= here and not lost:
                break
            index, here = index + side, there
    return walk.found(None)


class _Walk:
    """The rates that a search has tried, as far as their results are there."""

    def __init__(self, search: Search, load: Load) -> None:
        self._search, self._load = search, load
        self._tried: dict[float, Summary] = {}

    def stable(self, index: int) -> bool | None:
        """Whether the rate at this index is, None if its run is missing."""
        rate = grid(index)
        summary = self._tried.get(rate) or self._load(self._search.at(rate))
        if summary is None:
            return None
        self._tried[rate] = summary
        return not summary.failure

    def score(self, index: int) -> float | None:
        """That of the rate, -inf if it is not stable, None if its run is missing."""
        stable = self.stable(index)
        if stable is None:
            return None
        return self._search.score(self._tried[grid(index)]) if stable else -math.inf

    def found(self, missing: int | None) -> Found:
        """How far the search has come; the rate at this index is what it needs now."""
        tried, search = self._tried, self._search
        scores = {r: search.score(s) for r, s in tried.items() if not s.failure}
        best = max(scores, key=lambda rate: scores[rate], default=None)
        following = None if missing is None else search.at(grid(missing))
        return Found(tried=tried, scores=scores, best=best, next=following)


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


def greatest_test_accuracy(summary: Summary) -> float:
    """The highest test accuracy of all evaluations, as the paper selects."""
    return float(np.max(summary.evaluations["test_accuracy"]))


def lowest_final_loss(summary: Summary) -> float:
    """The smoothed training loss at the end, negated: larger is better."""
    return -summary.final_loss
