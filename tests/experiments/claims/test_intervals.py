"""The interval of a mean."""

import numpy as np
import pytest

from experiments.claims import intervals


def test_the_interval_is_that_of_student():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = intervals.interval(values)
    # The 97.5 % point of Student's distribution with four degrees of freedom, from a
    # table with three decimals.
    assert found.half == pytest.approx(2.776 * np.sqrt(2.5 / 5), rel=2e-4)
    assert found.text(2) == "3.00 ± 1.96"
    assert intervals.interval([1.0, 2.0]).text(1) == "1.5"
