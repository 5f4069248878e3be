"""What the papers compute or prove, tried without a stored run.

A module for each figure or statement. Its ``table(seed)`` takes seconds, minutes where
a network is involved, is the same for the same seed, works in float64 unless it says
otherwise and holds plain numbers only.
"""

from collections.abc import Mapping

Table = Mapping[str, float | list[float] | list[list[float]]]
