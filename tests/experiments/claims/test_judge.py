"""Verdicts: computed from stored results and from nothing else."""

import dataclasses
import math

import pytest

from experiments.claims import judge
from experiments.claims.claim import Condition
from tests.experiments.summaries import (
    CLAIM,
    RUNS,
    SEARCHED,
    loaded,
    summary,
    trained,
)


def judged(load, claim=CLAIM):
    return judge.judge(claim, load, lambda claim_id: None)


def verdict(load, claim=CLAIM):
    return judged(load, claim).verdict


def test_a_claim_holds_if_all_its_conditions_do():
    assert str(verdict(loaded(SGD=0.7))) == "holds"
    assert str(verdict(loaded(SGD=0.55))) == "does not hold"
    assert str(verdict(loaded(SGD=0.7, Adam=0.53))) == "does not hold"
    assert str(verdict(loaded(SGD=0.7, Adam=0.47))) == "does not hold"


def test_a_claim_with_a_run_missing_is_not_tried():
    missing = RUNS["Adam"][1]

    def load(run):
        return None if run == missing else summary(run)

    judgement = judged(load)
    assert str(judgement.verdict) == "not tried: 1 of 6 runs are missing"
    assert judgement.evidence is None
    assert judgement.findings == ()


def test_a_diverged_run_is_named_and_decides_nothing_in_favour():
    def load(run):
        lost = run in RUNS["SGD"] and run.seed == 1
        return summary(run, status="diverged" if lost else "finished")

    found = verdict(load)
    assert str(found) == "does not hold; SGD diverged at step 100 with seed 1"


def test_a_run_no_better_than_a_guess_is_named_and_counts():
    def load(run):
        stuck = run in RUNS["SGD"] and run.seed == 1
        return summary(run, 2.3 if stuck else 0.5)

    judgement = judged(load)
    assert str(judgement.verdict) == (
        "holds; SGD ended no better than a guess with seed 1"
    )
    assert judgement.evidence.values["SGD"].mean == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("value", "holds"), [(0.0, True), (0.5, True), (0.51, False), (math.nan, False)]
)
def test_bounds_are_allowed_and_nan_is_not(value, holds):
    condition = Condition(text="", measure=lambda e: value, least=0.0, greatest=0.5)
    assert judge.Finding(condition, value).holds is holds


def test_conditions_compare_means_over_seeds():
    losses = {0: {"MaS": 0.4, "Adam": 0.5}, 1: {"MaS": 0.6, "Adam": 0.5}}

    def load(run):
        label = {"mas": "MaS", "adam": "Adam"}.get(run.optimizer.name)
        return summary(run, losses[run.seed].get(label, 0.9))

    judgement = judged(load)
    assert [f.value for f in judgement.findings] == pytest.approx([0.0, 0.4])
    assert judgement.verdict.word == "holds"


def test_published_values_are_compared_with_a_tolerance():
    judgement = judged(loaded(MaS=0.539, Adam=0.541, SGD=0.861))
    again = {label: judgement.reproduced(label) for label in CLAIM.published}
    assert again == {"MaS": True, "Adam": False, "SGD": True}


def test_a_search_brings_forth_the_runs_of_its_claim():
    stored, order = {}, []
    while missing := judge.plan(SEARCHED.trial, stored.get).missing(stored.get):
        if len(missing) == 1:
            found = judged(stored.get, SEARCHED).verdict
            assert "searching for step sizes" in str(found)
        for run in missing:
            order.append(run)
            stored[run] = trained(run)
    rates = [run.optimizer.learning_rate for run in order if run.seed == 77]
    assert rates == [1.0, 3.0, 0.6, 0.3, 0.1, 0.06, 0.03]
    replicas = [run for run in order if run.seed != 77]
    assert {run.seed for run in replicas} == {0, 1, 2}
    assert {run.optimizer.name for run in replicas} == {"sgd", "ssd"}
    assert {run.optimizer.learning_rate for run in replicas} == {0.3}
    judgement = judged(stored.get, SEARCHED)
    assert judgement.evidence.values["SGD"].mean == pytest.approx(0.01)
    assert judgement.verdict.word == "holds"
    assert judgement.evidence.searches["SGD"].best == 0.3


def test_a_search_without_a_stable_step_is_not_tried():
    def load(run):
        return summary(run, status="diverged")

    found = judged(load, SEARCHED).verdict
    assert str(found) == "not tried: no step size of SGD and signs is stable"


def test_a_claim_that_costs_much_says_so():
    costly = dataclasses.replace(CLAIM, costly="compute: a week")
    assert str(verdict(lambda run: None, costly)) == "not tried: compute: a week"
    assert str(verdict(loaded(SGD=0.7), costly)) == "holds"
