"""How long something takes."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def seconds(times: int, *jobs: Callable[[], Any]) -> list[float]:
    """Median seconds of each job, until the arrays that it returns are computed.

    All take their turns, in another order each time, as the memory that one gives back
    slows the next; so they see the machine alike. A first round, in which they are
    compiled, does not count.
    """
    rng = np.random.default_rng(0)
    taken: list[list[float]] = [[] for _ in jobs]
    for _ in range(times + 1):
        for i in rng.permutation(len(jobs)):
            begin = time.perf_counter()
            jax.block_until_ready(jobs[i]())
            taken[i].append(time.perf_counter() - begin)
    return [float(np.median(each[1:])) for each in taken]
