"""The studies as data: what they say is what the papers say, and it can be run."""

import functools
import json

import jax
import numpy as np
import pytest
from flax import nnx

from experiments.claims import judge as ledger
from experiments.claims import rate_search
from experiments.claims.claim import Training
from experiments.commands.report import RESULTS
from experiments.errors import ConfigError
from experiments.networks import mlp_and_cnns
from experiments.runs import config, names
from experiments.runs import summary as results
from experiments.studies import catalogue
from experiments.studies.mas import published as mas
from experiments.training import optimizers
from tests.experiments.messages import assert_one_sentence
from tests.experiments.summaries import changed, summary

CLAIMS = [claim for study in catalogue.STUDIES for claim in study.claims]
TRAIN_SIZE = 60_000


def judge(claim, load):
    return ledger.judge(claim, load, lambda claim_id: None)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_can_be_run_judged_and_drawn(claim):
    if isinstance(claim.trial, Training):
        labels = {*claim.trial.runs, *claim.trial.tuned}
        assert labels >= claim.published.keys()
        for runs in claim.trial.runs.values():
            assert len({names.group_key(run) for run in runs}) == 1
            assert len({run.seed for run in runs}) == len(runs)
            make(runs[0].optimizer, runs[0])
        for tuned in claim.trial.tuned.values():
            base = tuned.base
            assert base.seed not in tuned.seeds
            rate_search.index_of(base.optimizer.learning_rate)
            make(tuned.optimizer or base.optimizer, base)
    texts = [condition.text for condition in claim.rule]
    assert len(set(texts)) == len(texts) > 0


def make(optimizer, run):
    if run.dataset == "fashion_mnist":
        steps = config.total_steps(run, TRAIN_SIZE)
        optimizers.make(optimizer, steps, scale_invariant={"kernel": True})


def test_claims_are_found_by_name():
    def ids(*names):
        return [claim.id for _, claim in catalogue.select(names)]

    assert ids("mas-3", "mas-1", "mas-3") == ["mas-1", "mas-3"]
    tuned = ["mas-1-tuned", "mas-2-tuned", "mas-3-tuned"]
    assert sorted(ids("mas")) == sorted(["mas-1", "mas-2", "mas-3", "mas-4", *tuned])
    every = [claim.id for claim in CLAIMS]
    assert len(set(every)) == len(every)
    costly = [claim.id for claim in CLAIMS if claim.costly]
    assert ids("all") == [name for name in every if name not in costly]
    assert [c.id for _, c in catalogue.left_out(["all"])] == costly
    assert ids(*every) == every
    assert catalogue.left_out(every) == []


@pytest.mark.parametrize(
    ("names", "says"), [(["mas1"], "perhaps 'mas-1'"), ([], "one claim at least")]
)
def test_an_unknown_claim_is_rejected_in_one_sentence(names, says):
    with pytest.raises(ConfigError, match=says) as error:
        catalogue.select(names)
    assert_one_sentence(str(error.value))


def test_mas_follows_the_published_protocol():
    for claim in (mas.FIGURE_1, mas.FIGURE_2, mas.FIGURE_3):
        for run in (run for runs in claim.trial.runs.values() for run in runs):
            assert config.total_steps(run, TRAIN_SIZE) == 4685
            assert (run.batch_size, run.shuffle) == (64, False)
    rivals = {
        label: (runs[0].optimizer.learning_rate, dict(runs[0].optimizer.options))
        for label, runs in mas.FIGURE_1.trial.runs.items()
    }
    assert rivals == {
        "Adam": (0.001, {"b1": 0.9, "b2": 0.999, "eps": 1e-7}),
        "MaS": (2e-4, {"beta": 0.95}),
        "SGD": (0.01, {}),
        "Adagrad": (0.001, {"initial_accumulator_value": 0.1, "eps": 1e-7}),
    }


@pytest.mark.parametrize(
    ("losses", "holds"),
    [
        ({}, True),
        ({"MaS": 0.319}, True),
        ({"MaS": 0.321}, False),
        ({"MaS": 0.279}, True),
        ({"SGD": 0.395}, False),
        ({"Adagrad": 0.395}, False),
    ],
)
def test_mas_1_holds_within_its_margins(losses, holds):
    published = {"Adam": 0.30, "MaS": 0.30, "SGD": 0.43, "Adagrad": 0.59} | losses
    label_of = {
        r: label for label, runs in mas.FIGURE_1.trial.runs.items() for r in runs
    }

    def load(run):
        return summary(run, published[label_of[run]])

    verdict = judge(mas.FIGURE_1, load).verdict
    assert verdict.word == ("holds" if holds else "does not hold")


STEPS = np.arange(1, 4686, 2)


def with_curve(run, loss):
    """A summary with a loss at STEPS."""
    found = summary(run)
    found = changed(found, result=changed(found.result, steps=int(STEPS[-1])))
    found = changed(found, loss=loss)
    np.testing.assert_array_equal(found.steps, STEPS)
    return found


@pytest.mark.parametrize(
    ("late", "rise"),
    [
        ([0.8, 1.1, 0.9, 0.4], 0.3),  # dips, rises and recovers
        ([0.8, 1.1, 0.4, 0.3], 0.3),  # soon falls below the dip
        ([0.8, 1.1, 1.1, 1.0], 0.1),  # recovers but a little
        ([0.8, 0.7, 0.6, 0.5], 0.0),  # never rises
        ([0.8, 0.9, 1.0, 1.1], -0.2),  # never recovers
        ([0.8, 0.7, 1.1, 0.4], 0.0),  # rises long after the start
    ],
)
def test_mas_3_measures_the_rise_after_a_dip(late, rise):
    def load(run):
        # First the fall from the start, then four plateaus, each wider than the window
        # of the means.
        knots = [1, 50, 90, 350, 500, 1000, 2000, 2400, 4200, 4685]
        levels = [2.3, 0.6, *np.repeat(late, 2)]
        return with_curve(run, np.interp(STEPS, knots, levels))

    judgement = judge(mas.FIGURE_3, load)
    assert judgement.findings[-2].value == pytest.approx(rise)
    assert judgement.findings[-2].holds is (rise >= 0.05)


@pytest.mark.parametrize(
    ("dip", "holds"), [(130, False), (200, True), (400, True), (600, False)]
)
def test_mas_3_asks_where_the_loss_turns_upwards(dip, holds):
    def load(run):
        hump = 0.6 + 0.0015 * np.abs(STEPS - dip)
        return with_curve(run, np.where(STEPS < dip + 200, hump, 0.4))

    found = judge(mas.FIGURE_3, load).findings[-1]
    # The first window of means is around step 149.5.
    assert found.value == pytest.approx(max(dip, 149.5), abs=1)
    assert found.holds is holds


def test_mas_4_is_decided_by_the_sizes_of_real_states():
    network = nnx.eval_shape(lambda: mlp_and_cnns.MLP(10, nnx.Rngs(0)))
    params = nnx.state(network, nnx.Param)
    weights = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert weights == 109_386

    def load(run):
        state = jax.eval_shape(optimizers.make(run.optimizer, 10).init, params)
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
        found = summary(run, state_bytes=size)
        return changed(found, weights=weights)

    judgement = judge(mas.HALF_THE_STATE, load)
    assert judgement.verdict.word == "holds"
    assert judgement.reproduced("MaS")
    assert judgement.reproduced("Adam")


@pytest.mark.parametrize("study", catalogue.STUDIES, ids=lambda study: study.name)
def test_committed_tables_are_intact_and_belong_to_a_claim(study):
    folder = RESULTS / study.name
    load = functools.partial(results.load, folder)
    wanted = set()
    for claim in study.claims:
        ledger.judge_stored(claim, folder)  # refuses what was edited
        if isinstance(claim.trial, Training):
            every = ledger.plan(claim.trial, load).every
            wanted |= {names.run_hash(run) for run in every}
        else:
            wanted.add(claim.id)
    stored = [
        row.get("hash") or row["claim"]
        for path in folder.glob("*.jsonl")
        for row in map(json.loads, path.read_text().splitlines())
    ]
    assert len(set(stored)) == len(stored)
    assert set(stored) <= wanted, "runs or claims have changed since"
