"""Summaries of runs that nobody trained, for what is drawn and decided from them."""

import dataclasses

import numpy as np

from experiments.claims import figures, rate_search
from experiments.claims.claim import Claim, Drawing, Quantity, Study, Training
from experiments.claims.rules import ahead, close, surely_below
from experiments.runs import config
from experiments.runs.config import Optimizer, Run
from experiments.runs.store import Result
from experiments.runs.summary import Summary


def run(name="mas", seed=0, **fields):
    optimizer = config.Optimizer(name=name, learning_rate=0.01)
    return config.Run(optimizer=optimizer, steps=fields.pop("steps", 100), seed=seed)


def summary(a_run, loss=0.5, status="finished", state_bytes=400):
    """A run of 100 steps whose smoothed loss falls from 2 to `loss`."""
    ended = {"train_loss": loss, "test_accuracy": 0.9}
    return Summary(
        run=a_run,
        result=Result(
            status=status,
            steps=100,
            seconds=1.5,
            state_bytes=state_bytes,
            metrics=ended if status == "finished" else {},
        ),
        weights=100,
        versions={"python": "3.11", "jax": "0.10"},
        date="2026-01-02T03:04:05+00:00",
        loss=np.array([2.0, 1.0, loss]),
        evaluated=np.array([50, 100]),
        evaluations={
            "test_loss": np.array([1.0, loss]),
            "test_accuracy": np.array([0.8, 0.9]),
        },
    )


RIVALS = {"MaS": "mas", "Adam": "adam", "SGD": "sgd"}
LOSS = Quantity(name="final loss", of=lambda s: s.final_loss)
FRAME = ("A title", "A caption.", (0.0, 2.0))  # title, caption, limits
RUNS = {
    label: tuple(run(name, seed) for seed in range(2)) for label, name in RIVALS.items()
}
PUBLISHED = {"MaS": 0.5, "Adam": 0.5, "SGD": 0.9}
CLAIM = Claim(
    id="tiny-1",
    source="Tiny, Figure 1",
    statement="MaS is as good as Adam | and better than SGD.",
    protocol="a hundred steps",
    trial=Training(runs=RUNS, quantity=LOSS),
    published=PUBLISHED,
    tolerance=0.04,
    rule=(close("MaS", "Adam", LOSS, 0.02), ahead("SGD", "MaS", LOSS, 0.1)),
    figure=Drawing(
        name="figure", draw=lambda e: figures.losses(*FRAME, e.runs, PUBLISHED)
    ),
)
STUDY = Study(name="tiny", title="A tiny paper", claims=(CLAIM,))


def loaded(runs=RUNS, **losses):
    """A loader of summaries with these final losses by label, 0.5 by default."""
    label_of = {a: label for label, some in runs.items() for a in some}
    return lambda a_run: summary(a_run, losses.get(label_of[a_run], 0.5))


def changed(a_summary, **fields):
    return dataclasses.replace(a_summary, **fields)


BASE = Run(optimizer=Optimizer(name="sgd", learning_rate=1.0), steps=100, seed=77)
SEARCHED = dataclasses.replace(
    CLAIM,
    trial=Training(
        tuned={
            "SGD": rate_search.Search(base=BASE, seeds=(0, 1, 2)),
            "signs": rate_search.Search(
                base=BASE,
                seeds=(0, 1, 2),
                optimizer=Optimizer(name="ssd", learning_rate=1e-9),
            ),
        },
        quantity=Quantity(name="final loss", of=lambda s: s.final_loss),
    ),
    published={},
    rule=(
        surely_below(
            "SGD", "signs", Quantity(name="loss", of=lambda s: s.final_loss), 0.1
        ),
    ),
)


def trained(run):
    """Best at a rate of 0.3; unstable above 1."""
    rate = run.optimizer.learning_rate
    loss = abs(np.log(rate / 0.3)) + 0.01 * run.seed
    return summary(run, loss, status="diverged" if rate > 1 else "finished")
