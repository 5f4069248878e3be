"""The rules of AdaRem's trained claims: when they hold, and that each part can fail."""

import dataclasses

import numpy as np
import pytest

from experiments.claims import judge, rate_search
from experiments.claims.claim import Evidence, Training
from experiments.studies import adarem
from tests.experiments.summaries import summary

CLAIMS = {claim.id: claim for claim in adarem.STUDY.claims}

# Label → final loss, test accuracy in %, Q, with which a claim holds.
GOOD = {
    "ar-q": {
        "SGD": (0.4, 88, 90),
        "SGDM": (0.4, 88, 60),
        "Adam": (0.4, 88, 30),
        "AdaRem": (0.4, 88, 10),
        "AdaRem, global": (0.4, 88, 10),
    },
    "ar-4": {
        "SGDM": (0.40, 89.0, 1),
        "Adam": (0.42, 88.0, 1),
        "AdamW": (0.42, 88.0, 1),
        "RMSProp": (0.43, 87.0, 1),
        "AdaRem": (0.38, 88.8, 1),
    },
    "ar-4-readings": {
        "leaf, per epoch": (0.4, 88.0, 1),
        "leaf, per step": (0.4, 88.3, 1),
        "global, per epoch": (0.4, 87.7, 1),
        "global, per step": (0.4, 88.0, 1),
    },
    "ar-5": {
        "SGDM, narrow": (0.4, 88.0, 1),
        "AdaRem-S, narrow": (0.39, 89.0, 1),
        "AdaRem-S, narrow, a sphere each": (0.4, 89.0, 1),
        "SGDM, wide": (0.4, 90.0, 1),
        "AdaRem-S, wide": (0.39, 89.8, 1),
    },
    "ar-hb": {
        "AdamW": (0.40, 88, 1),
        "AdamW, hyperball": (0.39, 88, 1),
        "MaS": (0.40, 88, 1),
        "MaS, hyperball": (0.39, 88, 1),
    },
    "ar-3": {
        "SGDM": (1.6, 50, 1),
        "Adam": (1.5, 50, 1),
        "AdaRem": (1.4, 50, 1),
    },
}
# A label and what it is changed to, which makes a part of the rule fail.
BAD = [
    ("ar-q", "SGDM", (0.4, 88, 95)),
    ("ar-q", "Adam", (0.4, 88, 65)),
    ("ar-q", "AdaRem", (0.4, 88, 35)),
    ("ar-4", "AdaRem", (0.405, 88.8, 1)),
    ("ar-4", "AdaRem", (0.38, 88.4, 1)),
    *(("ar-4", other, (0.37, 87.0, 1)) for other in ("Adam", "AdamW", "RMSProp")),
    *(("ar-4", other, (0.43, 88.9, 1)) for other in ("Adam", "AdamW", "RMSProp")),
    *(
        ("ar-4-readings", label, instead)
        for label in ("leaf, per step", "global, per epoch", "global, per step")
        for instead in ((0.4, 87.4, 1), (0.43, 88.0, 1))
    ),
    ("ar-5", "AdaRem-S, narrow", (0.41, 89.0, 1)),
    ("ar-5", "AdaRem-S, wide", (0.41, 89.8, 1)),
    ("ar-5", "AdaRem-S, narrow", (0.39, 87.4, 1)),
    ("ar-5", "AdaRem-S, wide", (0.39, 91.1, 1)),
    ("ar-5", "AdaRem-S, wide", (0.39, 89.4, 1)),
    ("ar-hb", "AdamW, hyperball", (0.41, 88, 1)),
    ("ar-hb", "MaS, hyperball", (0.41, 88, 1)),
    ("ar-3", "Adam", (1.7, 50, 1)),
    ("ar-3", "AdaRem", (1.55, 50, 1)),
]


def load(run):
    """Searches end where they start: any other rate is worse."""
    rate = run.optimizer.learning_rate
    starts = (t.base for c in CLAIMS.values() for t in tuned(c).values())
    first = {r.optimizer.learning_rate for r in starts if same(r, run)}
    return summary(run, 0.5 if rate in first else 0.6)


def tuned(claim):
    return claim.trial.tuned if isinstance(claim.trial, Training) else {}


def same(base, run):
    """Whether this is the run of a search that begins with the other."""
    optimizer = dataclasses.replace(
        run.optimizer, learning_rate=base.optimizer.learning_rate
    )
    return base == dataclasses.replace(run, optimizer=optimizer)


def failed(claim_id, measured):
    """The parts of the rule that fail, when the seeds have run after the searches."""
    claim = CLAIMS[claim_id]
    label_of = {
        run: label
        for label, runs in judge.plan(claim.trial, load).runs.items()
        for run in runs
    }

    def load_all(run):
        if run not in label_of:
            return load(run)
        loss, accuracy, q = measured[label_of[run]]
        shift = 1e-4 * run.seed  # seeds differ, and alike for all labels
        return dataclasses.replace(
            summary(run, loss + shift),
            evaluations={
                "test_accuracy": np.array([accuracy / 100 + shift]),
                "test_loss": np.array([loss + shift]),
                "oscillation": np.array([q + shift]),
                "unmoved": np.array([0]),
            },
        )

    judgement = judge.judge(claim, load_all, lambda claim_id: None)
    assert len(judgement.findings) == len(claim.rule)
    return {finding.condition for finding in judgement.findings if not finding.holds}


@pytest.mark.parametrize("claim_id", GOOD)
def test_holds_where_the_paper_is_right(claim_id):
    assert set(GOOD[claim_id]) == set(CLAIMS[claim_id].trial.tuned)
    assert not failed(claim_id, GOOD[claim_id])


@pytest.mark.parametrize("claim_id", GOOD)
def test_every_part_can_fail(claim_id):
    by_case = [
        failed(claim_id, GOOD[claim_id] | {label: instead})
        for of_claim, label, instead in BAD
        if of_claim == claim_id
    ]
    assert all(by_case)
    assert set.union(*by_case) == set(CLAIMS[claim_id].rule)


@pytest.mark.parametrize(
    ("rates", "holds"),
    [
        ({}, True),
        ({"AdamW, narrow": 0.1}, True),
        ({"AdamW, hyperball, wide": 0.1}, False),
        ({"AdamW, hyperball, wide": 0.06, "AdamW, wide": 0.06}, False),
        ({"AdamW, hyperball, wide": 0.06, "AdamW, wide": 0.1}, True),
        ({"MaS, hyperball, narrow": 0.06}, False),
    ],
)
def test_a_rate_carries_over_if_it_is_the_same_or_nearer_than_without(rates, holds):
    claim = CLAIMS["ar-hb-transfer"]
    best = {label: 0.03 for label in claim.trial.tuned} | rates
    searches = {
        label: rate_search.Found(tried={}, scores={}, best=rate, next=None)
        for label, rate in best.items()
    }
    found = Evidence(values={}, searches=searches)
    findings = [judge.Finding(c, c.measure(found)) for c in claim.rule]
    assert all(finding.holds for finding in findings) == holds
