"""Verdicts: computed from stored results and from nothing else."""

import dataclasses
import functools
import math

import numpy as np
import pytest

from experiments import intervals, ledger, report, results
from experiments.ledger import Condition
from tests.experiments.summaries import CLAIM, STUDY, loaded, summary


def verdict(load, claim=CLAIM):
    return ledger.judge(claim, load).verdict


def test_a_claim_holds_if_all_its_conditions_do():
    assert str(verdict(loaded(SGD=0.7))) == "holds"
    assert str(verdict(loaded(SGD=0.55))) == "does not hold"
    assert str(verdict(loaded(SGD=0.7, Adam=0.53))) == "does not hold"
    assert str(verdict(loaded(SGD=0.7, Adam=0.47))) == "does not hold"


def test_a_claim_with_a_run_missing_is_not_tried():
    missing = CLAIM.runs["Adam"][1]

    def load(run):
        return None if run == missing else summary(run)

    judgement = ledger.judge(CLAIM, load)
    assert str(judgement.verdict) == "not tried: 1 of 6 runs are missing"
    assert judgement.evidence is None
    assert judgement.findings == ()


def test_a_diverged_run_is_named_and_decides_nothing_in_favour():
    def load(run):
        lost = run in CLAIM.runs["SGD"] and run.seed == 1
        return summary(run, status="diverged" if lost else "finished")

    found = verdict(load)
    assert str(found) == "does not hold: SGD diverged at step 100 with seed 1"


@pytest.mark.parametrize(
    ("value", "holds"), [(0.0, True), (0.5, True), (0.51, False), (math.nan, False)]
)
def test_bounds_are_allowed_and_nan_is_not(value, holds):
    condition = Condition(text="", measure=lambda e: value, least=0.0, greatest=0.5)
    assert ledger.Finding(condition, value).holds is holds


def test_conditions_compare_means_over_seeds():
    losses = {0: {"MaS": 0.4, "Adam": 0.5}, 1: {"MaS": 0.6, "Adam": 0.5}}

    def load(run):
        label = {"mas": "MaS", "adam": "Adam"}.get(run.optimizer.name)
        return summary(run, losses[run.seed].get(label, 0.9))

    judgement = ledger.judge(CLAIM, load)
    assert [f.value for f in judgement.findings] == pytest.approx([0.0, -0.4])
    assert judgement.verdict.word == "holds"


def test_published_values_are_compared_with_a_tolerance():
    judgement = ledger.judge(CLAIM, loaded(MaS=0.539, Adam=0.541, SGD=0.861))
    again = {label: judgement.reproduced(label) for label in CLAIM.published}
    assert again == {"MaS": True, "Adam": False, "SGD": True}


def test_the_interval_is_that_of_student():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = intervals.interval(values)
    # The 97.5 % point of Student's distribution with four degrees of freedom, from a
    # table with three decimals.
    assert found.half == pytest.approx(2.776 * np.sqrt(2.5 / 5), rel=2e-4)
    assert found.text(2) == "3.00 ± 1.96"
    assert intervals.interval([1.0, 2.0]).text(1) == "1.5"


@pytest.fixture
def stored(tmp_path):
    """Results with which the claim holds."""
    for runs in CLAIM.runs.values():
        for run in runs:
            results.save(tmp_path, loaded(SGD=0.7)(run))
    return tmp_path


def written(folder, image=None):
    judgement = ledger.judge(CLAIM, functools.partial(results.load, folder))
    return report.markdown([(STUDY, [judgement])], lambda study, name: image)


def test_report_shows_a_claim_with_all_that_led_to_its_verdict(stored):
    text = written(stored, "tiny/figure.png")
    row = (
        "| tiny-1 | MaS is as good as Adam \\| and better than SGD. "
        "| MaS 0.5, Adam 0.5, SGD 0.9 | MaS 0.500, Adam 0.500, SGD 0.700 | holds |"
    )
    assert row in text.splitlines()
    for part in (
        "## A tiny paper",
        "### tiny-1: holds",
        "Protocol: a hundred steps.",
        "Published values within 0.04: MaS, Adam (2 of 3).",
        "MaS at least 0.1 below SGD: yes, -0.2.",
        "Runs: 6",
        "2026-01-02",
        "jax 0.10",
        "`python -m experiments reproduce tiny-1`",
        "![Tiny, Figure 1](tiny/figure.png)",
    ):
        assert part in text
    assert "![" not in written(stored)


def test_deleting_a_table_turns_its_claim_to_not_tried(stored):
    results.path(stored, CLAIM.runs["MaS"][0]).unlink()
    assert "| not tried: 1 of 6 runs are missing |" in written(stored)


def test_altering_a_value_changes_the_verdict(stored):
    for run in CLAIM.runs["MaS"]:
        worse = dataclasses.replace(summary(run), loss=np.array([2.0, 1.0, 0.9]))
        results.save(stored, worse)
    assert "### tiny-1: does not hold" in written(stored)
