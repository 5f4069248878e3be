"""Verdicts: computed from stored results and from nothing else."""

import dataclasses
import math

import numpy as np
import pytest

from experiments.claims import intervals, judge, rules
from experiments.claims.claim import Condition, Evidence, Quantity
from experiments.claims.intervals import Interval
from experiments.claims.rules import paired, surely_below
from tests.experiments.summaries import (
    BASE,
    CLAIM,
    LOSS,
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


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (rules.below("a", "b"), "a below b (difference of the means)"),
        (surely_below("a", "b", LOSS, -0.0), "a below b (final loss: upper end"),
        (surely_below("a", "b", LOSS, -0.1), "a below b by 0.1 at least (final loss"),
        (surely_below("a", "b", LOSS, 0.1), "a above b by 0.1 at most (final loss"),
        (rules.at_least("a", "b", LOSS, 0.1), "a above b by 0.1 at least (final loss"),
        (rules.at_least("a", "b", LOSS, -0.1), "a below b by 0.1 at most (final loss"),
        (rules.at_least("a", "b", LOSS, 0.0), "a above b (final loss: mean"),
        (rules.close("a, c", "b", LOSS, 0.1), "“a, c” within 0.1 of b (final loss"),
        (rules.not_surely_above("a", "b", LOSS), "a not clearly above b (final loss"),
    ],
)
def test_a_part_of_a_rule_is_said_in_a_sentence(condition, says):
    assert condition.text.startswith(says)


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


def test_the_interval_is_that_of_student():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = intervals.interval(values)
    # The 97.5 % point of Student's distribution with four degrees of freedom, from a
    # table with three decimals.
    assert found.half == pytest.approx(2.776 * np.sqrt(2.5 / 5), rel=2e-4)
    assert found.text(2) == "3.00 ± 1.96"
    assert intervals.interval([1.0, 2.0]).text(1) == "1.5"


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


def test_differences_are_taken_seed_by_seed():
    base = {0: 1.0, 1: 5.0, 2: 9.0, 3: 0.0}
    runs = {
        label: [
            summary(dataclasses.replace(BASE, seed=seed), base[seed] + shift)
            for seed in seeds
        ]
        for label, shift, seeds in (("a", 0.5, (2, 0, 1)), ("b", 0.0, (0, 1, 2, 3)))
    }
    evidence = Evidence(values={}, runs=runs)
    loss = Quantity(name="loss", of=lambda s: s.final_loss)
    assert paired(evidence, "a", "b", loss) == Interval(0.5, 0.0)
    with pytest.raises(ValueError, match="no seed in common"):
        paired(Evidence(values={}, runs=runs | {"c": []}), "a", "c", loss)


@pytest.mark.parametrize(
    ("spread", "below", "not_above", "not_below"),
    [(0.0, True, True, False), (2.0, False, True, True)],
)
def test_an_interval_decides_only_if_it_lies_on_one_side(
    spread, below, not_above, not_below
):
    loss = Quantity(name="loss", of=lambda s: s.final_loss)
    runs = {
        "a": [
            summary(dataclasses.replace(BASE, seed=s), 1.0 + spread * (s - 1))
            for s in range(3)
        ],
        "b": [summary(dataclasses.replace(BASE, seed=s), 1.5) for s in range(3)],
    }
    evidence = Evidence(values={}, runs=runs)
    for rule, expected in (
        (rules.surely_below, below),
        (rules.not_surely_above, not_above),
        (rules.not_surely_below, not_below),
    ):
        condition = rule("a", "b", loss)
        finding = judge.Finding(condition, condition.measure(evidence))
        assert finding.holds is expected, condition.text
