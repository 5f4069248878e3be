"""Runs that were interrupted or damaged, as the command line treats them."""

import json
import shutil

import pytest

from experiments.runs.store import Store
from tests.experiments import training_cases
from tests.experiments.command_cases import (
    SMALL,
    command_in,
    contents,
    install,
    interrupt_at,
)
from tests.experiments.messages import assert_one_sentence
from tests.experiments.stored_runs import forge


@pytest.fixture(autouse=True, scope="module")
def small():
    yield from install()


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    return command_in(tmp_path, monkeypatch, capsys)


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_the_same_command_finishes(
    command, tmp_path, monkeypatch
):
    interrupted, whole = Store(tmp_path / "my runs"), Store(tmp_path / "whole")
    line = ("train", "--optimizer", "mas", *SMALL, "--runs")
    with monkeypatch.context() as patch:
        interrupt_at(3, patch)
        code, out, error = command(*line, "my runs")
    assert (code, out) == (130, "")
    assert error.endswith(
        "python -m experiments train --optimizer mas --batch-size 8 --steps 25 "
        "--eval-every 7 --runs 'my runs'\n"
    )
    (entry,) = interrupted.list()
    assert entry.status == "unfinished"
    assert list(entry.folder.glob("checkpoints/0*"))
    assert command(*line, "my runs")[0] == 0
    assert command(*line, "whole")[0] == 0
    run = training_cases.run("mas", 2e-4)
    assert training_cases.outcome(interrupted, run) == training_cases.outcome(
        whole, run
    )


def truncated(folder):
    for path in (folder / "checkpoints").rglob("*"):
        if path.is_file() and path.stat().st_size:
            path.write_bytes(path.read_bytes()[:-1])


def of_another_configuration(folder):
    other = shutil.copytree(folder, folder.with_name("0" * 16))
    shutil.rmtree(folder)
    other.rename(folder)
    run = json.loads((folder / "config.json").read_text())["run"]
    forge(folder / "config.json", run=run | {"seed": 1})


def with_the_checkpoint_of_another(folder):
    for path in (folder / "checkpoints").glob("*/manifest.json"):
        forge(path, run="0" * 16)


def with_corrupt_metrics(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(["garbage\n", *lines[1:]]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (truncated, "is damaged"),
        (of_another_configuration, "holds another configuration"),
        (with_the_checkpoint_of_another, "belongs to run 0000000000000000"),
        (with_corrupt_metrics, "metrics.jsonl is damaged"),
    ],
)
def test_a_damaged_run_is_named_and_left_alone(
    command, tmp_path, monkeypatch, damage, says
):
    with monkeypatch.context() as patch:
        interrupt_at(3, patch)
        assert command("train", *SMALL)[0] == 130
    (entry,) = Store("runs").list()
    damage(entry.folder)
    before = contents(tmp_path)
    code, out, error = command("train", *SMALL)
    assert (code, out) == (2, "")
    assert says in error
    assert str(entry.folder) in error
    assert_one_sentence(error.rstrip("\n"))
    assert contents(tmp_path) == before
