"""The mean of a few values with what is known of it."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95

# Two values have an interval thirteen deviations wide, which tells nobody anything.
FEWEST = 3


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean with its interval of 95 % confidence.

    Attributes:
      mean: of the values.
      half: half the width of the interval; None for fewer than `FEWEST` values.
    """

    mean: float
    half: float | None

    def text(self, digits: int) -> str:
        """The interval as "0.291 ± 0.004", or the mean alone if there is no spread."""
        mean = f"{self.mean:.{digits}f}"
        return f"{mean} ± {self.half:.{digits}f}" if self.half else mean


def interval(values: Sequence[float]) -> Interval:
    """The mean of independent values and its interval by Student's distribution."""
    mean, count = float(np.mean(values)), len(values)
    if count < FEWEST:
        return Interval(mean, None)
    if min(values) == max(values):  # of which the deviation is round-off
        return Interval(mean, 0.0)
    from scipy import special  # takes a fifth of a second to import

    quantile = special.stdtrit(count - 1, (1 + CONFIDENCE) / 2)
    return Interval(mean, float(quantile * np.std(values, ddof=1) / math.sqrt(count)))
