"""Stores of runs in a temporary folder."""

import pytest

from experiments.runs.store import Store
from tests.experiments.stored_runs import RUN, row


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture
def folder(store):
    """The folder of RUN with rows for two steps and for four, unfinished."""
    with store.open(RUN) as handle:
        handle.append([row(2), row(4)])
    return store.folder(RUN)
