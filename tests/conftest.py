"""Eight devices on any machine, and the rows of the catalogue as fixtures."""

import jax
import pytest

from .catalogue import OPTIMIZERS, ROWS, Row

jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request) -> Row:
    """Every optimizer and every link."""
    return request.param


@pytest.fixture(params=OPTIMIZERS, ids=lambda row: row.name)
def optimizer(request) -> Row:
    """Every optimizer."""
    return request.param
