"""What the papers compute or prove, tried without training anything.

A module for each figure or statement. Its ``table(seed)`` takes seconds, is the same
for the same seed, works in float64 and holds plain numbers only.
"""

from collections.abc import Mapping

Table = Mapping[str, float | list[float] | list[list[float]]]
