"""Eight devices, kept compiled programs, and the rows of the catalogue as fixtures."""

import os
from pathlib import Path

import jax
import pytest

from .catalogue import OPTIMIZERS, ROWS, Row

jax.config.update("jax_num_cpu_devices", 8)

# Most of the time goes into compiling the same programs in every run. Processes that a
# test starts find them through the environment; what the user has chosen stays.
for name, value in {
    "jax_compilation_cache_dir": str(Path(__file__).parents[1] / ".cache" / "programs"),
    "jax_persistent_cache_min_compile_time_secs": 0,
}.items():
    if name.upper() not in os.environ:
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request) -> Row:
    """Every optimizer and every link."""
    return request.param


@pytest.fixture(params=OPTIMIZERS, ids=lambda row: row.name)
def optimizer(request) -> Row:
    """Every optimizer."""
    return request.param
