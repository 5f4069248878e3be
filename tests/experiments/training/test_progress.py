"""What is shown of training: a bar on a terminal, else a line a run."""

import io

import pytest
from rich.console import Console

from experiments.runs.store import Result
from experiments.training.progress import Progress, Watch
from tests.experiments.stored_runs import RUN, row

RESULT = Result(
    status="finished",
    steps=2,
    seconds=3.21,
    state_bytes=8,
    metrics={"train_loss": 0.25, "test_accuracy": 0.875},
)
LINE = (
    "(1 of 1) mas,learning_rate=0.0002 on mlp, seed 0: training loss 0.250, "
    "test accuracy 87.50%, 3.2 s.\n"
)


def event(step, loss=0.5, rate=12345.6, runs=(RUN,)):
    return Progress(runs=runs, step=step, total=6, loss=loss, images_per_second=rate)


def finish(store, result=RESULT):
    with store.open(RUN) as handle:
        handle.append([row(2)])
        handle.finish(result)


def shown(store, terminal, happen):
    out, ended = io.StringIO(), []
    console = Console(file=out, force_terminal=terminal, width=100, highlight=False)
    with Watch(console, store, [RUN], lambda *pair: ended.append(pair)) as watch:
        happen(watch)
    return out.getvalue(), ended


def test_without_a_terminal_there_is_one_line_a_run(store):
    def happen(watch):
        watch(event(0, float("nan"), 0.0))
        watch(event(2))
        finish(store)
        watch(event(4))

    assert shown(store, False, happen) == (LINE, [(RUN, RESULT)])


def test_on_a_terminal_there_is_a_bar_too(store):
    def happen(watch):
        watch(event(0, float("nan"), 0.0))
        watch._bar.refresh()  # what its thread does ten times a second
        watch(event(3))
        watch._bar.refresh()
        watch(event(6, runs=()))
        finish(store)

    text, _ = shown(store, True, happen)
    for part in ("mas on mlp, seed 0", "50%", "loss 0.500", "12,346 img/s", LINE[:20]):
        assert part in text
    assert "nan" not in text


def test_a_run_that_diverged_is_told(store):
    lost = Result(status="diverged", steps=2, seconds=1, state_bytes=8, metrics={})
    text, ended = shown(store, False, lambda watch: finish(store, lost))
    assert text.endswith("seed 0: diverged at step 2.\n")
    assert ended == [(RUN, lost)]


def test_what_ended_before_an_interrupt_is_told(store):
    def happen(watch):
        finish(store)
        raise KeyboardInterrupt

    out, ended = io.StringIO(), []
    watch = Watch(Console(file=out), store, [RUN], lambda *pair: ended.append(pair))
    with pytest.raises(KeyboardInterrupt), watch:
        happen(watch)
    assert ended == [(RUN, RESULT)]
