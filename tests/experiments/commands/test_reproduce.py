"""`reproduce` and `report`, from training to the verdict."""

import dataclasses
import shutil

import numpy as np
import pytest

from experiments.claims import calculations
from experiments.claims.rules import TEST_ACCURACY
from experiments.commands.report import BEGIN, END
from experiments.runs import names
from experiments.runs import summary as results
from experiments.runs.store import Store
from experiments.studies import catalogue
from experiments.training import train
from tests.experiments.command_cases import command_in, contents, install
from tests.experiments.messages import assert_one_sentence
from tests.experiments.stored_runs import forget
from tests.experiments.summaries import CLAIM, RUNS, STUDY, summary


@pytest.fixture(autouse=True, scope="module")
def small():
    yield from install()


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    return command_in(tmp_path, monkeypatch, capsys)


@pytest.fixture
def tiny_study(monkeypatch):
    """A study of three optimizers and two seeds, in the place of the real ones."""

    def small_runs(runs):
        return tuple(dataclasses.replace(run, batch_size=8, steps=12) for run in runs)

    runs = {label: small_runs(runs) for label, runs in RUNS.items()}
    train = dataclasses.replace(CLAIM.trial, runs=runs, also=(TEST_ACCURACY,))
    claim = dataclasses.replace(CLAIM, trial=train)
    study = dataclasses.replace(STUDY, claims=(claim,))
    monkeypatch.setattr(catalogue, "STUDIES", (study,))
    return runs


def test_reproduce_trains_draws_and_decides(command, tmp_path, tiny_study):
    code, out, error = command("reproduce", "tiny-1", "--output", "out")
    assert (code, error) == (0, "")
    assert out.count("seed 0: training loss") == 3
    loads = [
        results.load(tmp_path / "out" / "tiny", run)
        for runs in tiny_study.values()
        for run in runs
    ]
    assert all(loads)
    row = next(line for line in out.splitlines() if line.startswith("│ MaS"))
    final = np.mean([loads[0].final_loss, loads[1].final_loss])
    assert f" {final:.3f} " in row
    accuracy = 50 * sum(load.evaluations["test_accuracy"][-1] for load in loads[:2])
    assert f" {accuracy:.2f} " in row
    assert "Verdict: does not hold" in out  # twelve steps part nobody by 0.1
    assert "Figure: out/tiny/figure.png" in out
    assert (tmp_path / "out/tiny/figure.png").read_bytes().startswith(b"\x89PNG")
    text = command("report", "--results", "out", "--output", "out/report.md")
    assert text == (0, "", "")
    report = (tmp_path / "out/report.md").read_text()
    assert "### tiny-1\n" in report
    assert "\n**✗ does not hold**: 1 of 2 parts met.\n" in report
    assert "](tiny/figure.png)" in report
    assert command("report", "--results", "out")[1] == report.replace(
        "](tiny/", "](out/tiny/"
    )


@pytest.mark.slow
def test_reproduce_does_again_only_what_is_missing(
    command, tmp_path, tiny_study, monkeypatch
):
    assert command("reproduce", "all")[0] == 0
    monkeypatch.setattr(train, "Loop", None)  # nothing is trained from here on
    folder = tmp_path / "runs/results/tiny"
    before = contents(folder)
    table = results.path(folder)
    forget(table, names.run_hash(tiny_study["Adam"][1]))
    (folder / "figure.png").unlink()
    code, out, _ = command("reproduce", "all")
    assert code == 0
    assert (
        "6 runs; 1 of them have no results in runs/results, which take about 0 seconds."
        in out
    )
    rows = before[table].splitlines()
    assert sorted(table.read_bytes().splitlines()) == sorted(rows)
    before = {**before, table: table.read_bytes()}  # the row is the last one now
    assert contents(folder) == before
    # Without the runs, as after a clone, their tables are enough.
    for entry in Store("runs").list():
        shutil.rmtree(entry.folder)
    assert command("reproduce", "all")[0] == 0
    assert contents(folder) == before


@pytest.mark.slow
def test_a_table_edited_by_hand_is_refused_before_training(
    command, tmp_path, tiny_study
):
    assert command("reproduce", "tiny")[0] == 0
    folder = tmp_path / "runs/results/tiny"
    path = results.path(folder)
    missing = names.run_hash(tiny_study["MaS"][0])
    forget(path, missing)
    path.write_text(path.read_text().replace('"loss": [1', '"loss": [9', 1))
    shutil.rmtree(tmp_path / "runs" / missing)
    before = contents(tmp_path)
    for line in ("reproduce tiny", "report --results runs/results"):
        code, out, error = command(*line.split())
        assert (code, out) == (2, "")
        assert f"Line 1 of {path.relative_to(tmp_path)} does not match" in error
        assert_one_sentence(error.rstrip("\n"))
    assert contents(tmp_path) == before


def store(tmp_path, study):
    """Results that nobody trained, with which the claim does not hold."""
    for run in (run for runs in study.values() for run in runs):
        results.save(tmp_path / "out/tiny", summary(run))


def test_the_table_is_written_between_its_marks_only(command, tmp_path, tiny_study):
    store(tmp_path, tiny_study)
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{BEGIN}\nearlier\n{END}\nAfter.\n")
    line = ("report", "--results", "out", "--tables", "page.md")
    line += ("--output", "out/report.md")
    assert command(*line) == (0, "", "")
    text = page.read_text()
    assert text.startswith(f"Before.\n{BEGIN}\n| optimizer |")
    assert text.endswith(f"|\n{END}\nAfter.\n")
    assert " [ar-slr](out/report.md#ar-slr), [ar-5](out/report.md#ar-5) |" in text
    assert "earlier" not in text
    assert command(*line) == (0, "", "")
    assert page.read_text() == text
    for unmarked in ("No marks.", f"{BEGIN}\nNo end."):
        page.write_text(unmarked)
        code, out, error = command(*line)
        assert (code, out) == (2, "")
        assert_one_sentence(error.rstrip("\n"))
        assert page.read_text() == unmarked


def test_report_as_a_page_has_its_figures_inside(command, tmp_path, tiny_study):
    store(tmp_path, tiny_study)
    (tmp_path / "out/tiny/figure.png").write_bytes(b"picture")
    line = ("report", "--results", "out", "--output", "page.html")
    assert command(*line) == (0, "", "")
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("data:image/png;base64,cGljdHVyZQ==") == 1


def test_a_half_finished_study_says_what_is_missing(command, tmp_path, tiny_study):
    store(tmp_path, tiny_study)
    path = results.path(tmp_path / "out/tiny")
    forget(path, names.run_hash(tiny_study["SGD"][1]))
    code, out, _ = command("report", "--results", "out")
    assert code == 0
    assert "**○ not tried**: 1 of 6 runs are missing." in out


@pytest.mark.slow
def test_a_calculation_is_stored_and_not_done_again(command, tmp_path, monkeypatch):
    code, out, error = command("reproduce", "da-3", "--output", "out")
    assert (code, error) == (0, "")
    assert "Calculating da-3." in out
    assert "Verdict: holds" in out
    folder = tmp_path / "out/dissecting_adam"
    table = calculations.path(folder)
    assert {path.name for path in folder.iterdir()} == {table.name, "figure-3.png"}
    before = contents(folder)
    code, out, _ = command("reproduce", "da-3", "--output", "out")
    assert code == 0
    assert "Calculating" not in out
    assert contents(folder) == before
    table.write_text(table.read_text().replace('"gap": 0.06', '"gap": 0.07'))
    code, out, error = command("reproduce", "da-3", "--output", "out")
    assert (code, out) == (2, "")
    assert_one_sentence(error.rstrip("\n"))


def test_costly_claims_are_left_out_unless_named(command, tiny_study, monkeypatch):
    (study,) = catalogue.STUDIES
    (claim,) = study.claims
    costly = dataclasses.replace(claim, costly="compute: a week")
    study = dataclasses.replace(study, claims=(costly,))
    monkeypatch.setattr(catalogue, "STUDIES", (study,))
    monkeypatch.setattr(train, "Loop", None)  # nothing is trained
    code, out, error = command("reproduce", "all", "--output", "out")
    assert (code, error) == (0, "")
    assert "tiny-1 of tiny is left out (compute: a week); ask for it by its id." in out
    assert "○ not tried**: compute: a week." in command("report", "--results", "out")[1]
