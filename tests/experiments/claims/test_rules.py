"""The conditions that rules are made of: what they say, and when they are met."""

import dataclasses

import pytest

from experiments.claims import judge, rules
from experiments.claims.claim import Evidence, Quantity
from experiments.claims.intervals import Interval
from experiments.claims.rules import paired, surely_below
from tests.experiments.summaries import BASE, LOSS, summary


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (rules.below("a", "b"), "a below b (difference of the means)"),
        (surely_below("a", "b", LOSS, -0.0), "a below b (final loss: upper end"),
        (surely_below("a", "b", LOSS, -0.1), "a below b by 0.1 at least (final loss"),
        (surely_below("a", "b", LOSS, 0.1), "a above b by 0.1 at most (final loss"),
        (rules.ahead("a", "b", LOSS, 0.1), "a above b by 0.1 at least (final loss"),
        (rules.ahead("a", "b", LOSS, -0.1), "a below b by 0.1 at most (final loss"),
        (rules.ahead("a", "b", LOSS, 0.0), "a above b (final loss: mean"),
        (rules.close("a, c", "b", LOSS, 0.1), "“a, c” within 0.1 of b (final loss"),
        (rules.not_surely_above("a", "b", LOSS), "a not clearly above b (final loss"),
    ],
)
def test_a_part_of_a_rule_is_said_in_a_sentence(condition, says):
    assert condition.text.startswith(says)


@pytest.mark.parametrize(
    ("part", "bounds", "met"),
    [
        (rules.at_least, (1.0,), [False, True, True, True]),
        (rules.at_most, (2.0,), [True, True, True, False]),
        (rules.between, (1.0, 2.0), [False, True, True, False]),
        (rules.is_exactly, (2.0,), [False, False, True, False]),
    ],
)
def test_a_bound_itself_is_allowed(part, bounds, met):
    condition = part("a", lambda e: e.table["a"], *bounds)
    tried = [Evidence(values={}, table={"a": a}) for a in (0.0, 1.0, 2.0, 3.0)]
    found = [judge.Finding(condition, condition.measure(one)).holds for one in tried]
    assert found == met


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
