"""Stores of runs in a temporary folder, and a browser."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from experiments.runs.store import Store
from tests.experiments.stored_runs import RUN, row

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture
def folder(store):
    """The folder of RUN with rows for two steps and for four, unfinished."""
    with store.open(RUN) as handle:
        handle.append([row(2), row(4)])
    return store.folder(RUN)


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium")
    if path is None:
        installable = os.geteuid() == 0 and shutil.which("apt-get")
        if "CI" in os.environ or installable:
            pytest.fail("There is no chromium, which `make chromium` installs.")
        # Without a browser there is nothing to look at; CI must have one.
        pytest.skip("no chromium, and no right to install one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS])
        yield browser
        browser.close()
