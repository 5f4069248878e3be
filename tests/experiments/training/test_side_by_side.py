"""A run's numbers follow from its configuration, whatever is trained beside it."""

import json

import jax
import pytest

from experiments.runs.store import Handle, Store
from experiments.training import loop
from experiments.training.train import train
from tests.experiments.training_cases import install, run

# Divides by what float32 leaves of small variances, so that another order of sums shows
# at the second step. The run of the second seed diverges at step 7.
SETTINGS = {"rate": 0.3, "model": "p1_cnn", "steps": 16}
RUNS = [run("m_svag", **SETTINGS, seed=seed) for seed in (3, 10, 6)]


@pytest.fixture(autouse=True, scope="module")
def small():
    yield from install()


def numbers(store):
    """All that the runs have brought, but for the seconds that they took."""
    found = []
    for a_run in RUNS:
        folder = store.folder(a_run)
        result = json.loads((folder / "result.json").read_text())
        for changing in ("seconds", "files", "digest"):  # events hold the time of day
            del result[changing]
        found += [result, (folder / "metrics.jsonl").read_text()]
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("alone"))
    for a_run in RUNS:
        train([a_run], store, devices=place(1))
    assert [store.result(a_run).status for a_run in RUNS] == [
        "finished",
        "diverged",
        "finished",
    ]
    first, *_, last = [store.read_metrics(r).losses[:6] for r in RUNS]
    assert (first != last).all()
    return numbers(store)


def place(count):
    """One device for as many runs, as a CPU has it."""
    return jax.devices()[:1] * count


def together(store):
    train(RUNS, store, devices=place(3))


def on_a_device_each(store):
    train(RUNS, store, devices=jax.devices()[:2])


def in_portions(store):
    train(RUNS[:2], store, devices=place(2))
    train(RUNS, store, devices=place(2))


class Death(BaseException):
    """Ends a process, as far as its files can tell."""


def killed_between_results(store):
    with pytest.MonkeyPatch.context() as patch:
        finish = Handle.finish

        def dying(handle, result):
            finish(handle, result)
            if result.status == "finished":
                raise Death

        patch.setattr(Handle, "finish", dying)
        with pytest.raises(Death):
            train(RUNS, store, devices=place(3), checkpoint_seconds=0)
    assert sum(store.result(a_run) is None for a_run in RUNS) == 1
    assert [*store.root.glob("*/checkpoints")]
    train(RUNS, store, devices=place(3))
    assert not [*store.root.glob("*/checkpoints")]


def resumed_alone_after_a_sibling_diverged(store):
    def on_progress(event):
        if event.step == 9:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "PORTION_SECONDS", 0.0)  # one step at a time
        with pytest.raises(KeyboardInterrupt):
            train(RUNS, store, devices=place(3), on_progress=on_progress)
    assert [store.result(a_run) is None for a_run in RUNS] == [True, False, True]
    for a_run in RUNS:
        train([a_run], store, devices=place(1))


@pytest.mark.parametrize(
    "way",
    [
        together,
        on_a_device_each,
        in_portions,
        killed_between_results,
        resumed_alone_after_a_sibling_diverged,
    ],
)
def test_the_way_does_not_show_in_the_numbers(store, alone, way):
    way(store)
    assert numbers(store) == alone
