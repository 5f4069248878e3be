"""Networks are compiled with fewer of XLA's optimizations, in half of the time."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def compiled_fast(request):
    """But for the layers that are fast themselves, which users run optimized."""
    if request.module.__name__.endswith("test_cpu_layers"):
        yield
        return
    # What a network computes depends on them by round-off, and it runs once or twice.
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    jax.clear_caches()  # or another test would find these programs
