"""The search for a step size: its grid, its order, where it stops, what is unstable."""

import dataclasses

import numpy as np
import pytest

from experiments.claims import rate_search
from experiments.runs.config import Optimizer, Run
from experiments.runs.store import Result
from experiments.runs.summary import Summary

SGD = Optimizer(name="sgd", learning_rate=1.0)
BASE = Run(optimizer=SGD, steps=10)


def summary(run, accuracy, loss=1.0, status="finished"):
    """A run that reached this accuracy on its way and ended with this loss."""
    metrics = {"train_loss": loss, "test_accuracy": accuracy / 2}
    ended = metrics if status == "finished" else {}
    result = Result(status=status, steps=10, seconds=1, state_bytes=0, metrics=ended)
    return Summary(
        run=run,
        result=result,
        weights=1,
        versions={},
        date="",
        loss=np.array([loss]),
        evaluated=np.array([5, 10]),
        evaluations={"test_accuracy": np.array([accuracy, accuracy / 2])},
    )


def drive(outcome, first=1.0, base=BASE, **settings):
    """Runs a search to its end; `outcome` is the summary's arguments for a rate."""
    search = rate_search.Search(
        base=dataclasses.replace(
            base, optimizer=dataclasses.replace(SGD, learning_rate=first)
        ),
        score=rate_search.greatest_test_accuracy,
        **settings,
    )
    stored, order = {}, []
    while (found := rate_search.go_through(search, stored.get)).next is not None:
        rate = found.next.optimizer.learning_rate
        order.append(rate)
        stored[found.next] = summary(found.next, **outcome(rate))
    assert list(found.tried) == order
    return found, order


def test_grid():
    rates = [rate_search.grid(index) for index in range(-4, 5)]
    assert rates == [0.06, 0.1, 0.3, 0.6, 1, 3, 6, 10, 30]
    assert [rate_search.index_of(rate) for rate in rates] == list(range(-4, 5))
    assert [rate_search.index_of(r) for r in (3e-4, 1e-9, 6e5)] == [-11, -27, 17]
    with pytest.raises(ValueError, match="got 0.2"):
        rate_search.index_of(0.2)


def test_goes_up_to_the_first_unstable_step_and_then_down():
    def outcome(rate):
        accuracy = {3.0: 0.5, 1.0: 0.8, 0.6: 0.9, 0.3: 0.85}.get(rate, 0.1)
        return {"accuracy": accuracy, "status": "diverged" if rate > 3 else "finished"}

    found, order = drive(outcome)
    # Three in a row below the best end the search.
    assert order == [1, 3, 6, 0.6, 0.3, 0.1, 0.06]
    assert found.best == 0.6


def test_goes_down_from_an_unstable_step():
    def outcome(rate):
        return {"accuracy": 1 - rate, "loss": 2.19 if rate > 0.1 else 2.18}

    found, order = drive(lambda rate: outcome(rate) if rate > 1e-3 else outcome(1))
    assert order[:5] == [1, 0.6, 0.3, 0.1, 0.06]
    # Below 0.003 hardly better than guessing: not stable, and three end the search.
    assert found.best == 0.003
    assert order[-4:] == [0.003, 0.001, 0.0006, 0.0003]


def test_selects_by_the_highest_accuracy_on_the_way_not_the_last():
    found, _ = drive(
        lambda rate: {
            "accuracy": 0.9 if rate == 0.3 else 0.5,
            "status": "finished" if rate < 1 else "diverged",
        }
    )
    assert found.best == 0.3


def test_networks_that_died_are_not_stable():
    # Their losses lie about that of a guess, on either side by chance.
    def outcome(rate):
        dead = rate > 0.3
        return {"accuracy": 0.1 if dead else 0.9, "loss": 2.302 if dead else 1.0}

    found, order = drive(outcome)
    assert order[:4] == [1, 0.6, 0.3, 0.1]
    assert found.best == 0.3


def test_the_search_does_not_go_up_for_ever():
    found, order = drive(lambda rate: {"accuracy": 0.5})
    assert max(order) == rate_search.GREATEST
    assert found.best is not None


def test_nothing_stable_has_no_best():
    found, order = drive(lambda rate: {"accuracy": 0.1, "status": "diverged"})
    assert found.best is None
    assert found.next is None
    assert order[-1] < 1e-8


def test_an_unfinished_search_names_the_best_so_far_and_what_it_needs():
    search = rate_search.Search(base=BASE, score=rate_search.greatest_test_accuracy)
    assert rate_search.go_through(search, lambda run: None).next == BASE
    one = {BASE: summary(BASE, 0.7)}
    found = rate_search.go_through(search, one.get)
    assert found.best == 1
    assert found.next == search.at(3.0)


@pytest.mark.parametrize(
    ("best", "order"),
    [
        (1.0, [1, 3, 0.6]),
        (6.0, [1, 3, 6, 10]),
        (0.3, [1, 3, 0.6, 0.3, 0.1]),
    ],
)
def test_uphill_ends_where_both_neighbours_are_worse(best, order):
    def outcome(rate):
        return {"accuracy": 1 - abs(np.log(rate / best)) / 100}

    found, tried = drive(outcome, strategy=rate_search.uphill)
    assert tried == order
    assert found.best == best


def test_uphill_flees_from_what_is_unstable():
    def outcome(rate):
        status = "diverged" if rate > 0.1 else "finished"
        return {"accuracy": rate, "status": status}

    found, tried = drive(outcome, strategy=rate_search.uphill)
    assert tried == [1, 3, 0.6, 0.3, 0.1, 0.06]
    assert found.best == 0.1
    never, tried = drive(
        lambda rate: {"accuracy": 0.1, "status": "diverged"},
        strategy=rate_search.uphill,
    )
    assert never.best is None
    assert tried[-1] == rate_search.LEAST


def test_a_guess_among_more_classes_loses_more():
    outcome = {"accuracy": 0.5, "loss": 4.0}
    text = dataclasses.replace(BASE, dataset="war_and_peace", model="char_lstm")
    found, _ = drive(lambda rate: outcome, base=text, strategy=rate_search.uphill)
    assert found.best == 1
    found, _ = drive(lambda rate: outcome, strategy=rate_search.uphill)
    assert found.best is None
