"""Networks are compiled without XLA's optimizations, which takes half of the time."""

import jax
import pytest


@pytest.fixture(autouse=True)
def unoptimized():
    # What a network computes does not depend on them, and it runs once or twice here.
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
