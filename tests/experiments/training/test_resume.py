"""Interrupted and killed runs end with the bits of runs that were left in peace."""

import functools
import multiprocessing
import random
import signal
import time

import jax
import optax
import pytest
from flax import nnx

from experiments.errors import RunError
from experiments.networks.catalogue import NETWORKS
from experiments.runs import checkpoints
from experiments.runs import store as stores
from experiments.runs.store import Handle, Store
from experiments.training import loop
from experiments.training.optimizers import OPTIMIZERS, Row
from experiments.training.train import train
from tests.experiments.command_cases import contents
from tests.experiments.messages import assert_one_sentence
from tests.experiments.training_cases import Plain, install, outcome, run

# Dropout, batch statistics, the norm of the sphere and an open window of oscillation
# are what a resumed run can get wrong.
SETTINGS = {"rate": 0.1, "model": "mas_cnn", "track_oscillation": True}
VERSIONS = stores.versions()
RUNS = [run("adarem_s", **SETTINGS, seed=seed) for seed in range(3)]


@pytest.fixture(autouse=True, scope="module")
def small():
    yield from install()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What every byte of RUNS should be."""
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    train(RUNS, store, devices=jax.devices()[:1] * 3)
    return [outcome(store, a_run) for a_run in RUNS]


@pytest.fixture(autouse=True)
def one_step_at_a_time(monkeypatch):
    """Makes the loop come up for air after every step but the first seven."""
    monkeypatch.setattr(loop, "PORTION_SECONDS", 0.0)


def interrupt_at(step):
    def on_progress(event):
        if event.step == step:
            raise KeyboardInterrupt

    return on_progress


def checkpoint_steps(store, a_run):
    folder = store.folder(a_run) / "checkpoints"
    return sorted(int(path.name) for path in folder.glob("[0-9]*"))


def test_interrupted_runs_go_on_from_where_each_of_them_was(store, undisturbed):
    for a_run, step in ((RUNS[0], 9), (RUNS[1], 16)):
        with pytest.raises(KeyboardInterrupt):
            train([a_run], store, on_progress=interrupt_at(step))
        assert checkpoint_steps(store, a_run) == [step]
        assert store.result(a_run) is None
    # The first waits for the third, which starts anew, and the second for both.
    with pytest.raises(KeyboardInterrupt):
        train(RUNS, store, on_progress=interrupt_at(12), devices=jax.devices()[:1] * 3)
    assert [checkpoint_steps(store, r)[-1] for r in RUNS] == [12, 16, 12]
    train(RUNS, store, devices=jax.devices()[:1] * 3)
    assert [outcome(store, a_run) for a_run in RUNS] == undisturbed


class Death(BaseException):
    """Ends a process, as far as its files can tell."""


def dying(function, dies):
    """The function, which ends the process when it has done its work."""

    def wrapper(*arguments):
        function(*arguments)
        if dies(*arguments):
            raise Death

    return wrapper


def test_death_between_any_two_writes_is_healed(store, undisturbed, monkeypatch):
    def at_weights(folder, tree):
        return folder.name == "weights"

    deaths = [
        # With the checkpoints that are left. Metrics of a step that a checkpoint has:
        (Handle, "append", lambda handle, rows: True, [7]),
        # Half a checkpoint, and a whole one whose metrics are not there yet.
        (checkpoints, "save_arrays", lambda folder, tree: True, [7]),
        (checkpoints, "save", lambda folder, name, saved: saved.step == 14, [13, 14]),
        # All metrics without weights, and both without a result.
        (Handle, "append", lambda handle, rows: handle.last_step == 25, [24, 25]),
        (checkpoints, "save_arrays", at_weights, [24, 25]),
    ]
    for owner, name, dies, left in deaths:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, dying(getattr(owner, name), dies))
            with pytest.raises(Death):
                train(RUNS[:1], store, checkpoint_seconds=0)
        assert checkpoint_steps(store, RUNS[0]) == left
        assert store.result(RUNS[0]) is None
    with monkeypatch.context() as patch:
        # Metrics beyond the last checkpoint, which are made again.
        patch.setattr(Handle, "append", dying(Handle.append, lambda *row: True))
        with pytest.raises(Death):
            train(RUNS[1:2], store)
    assert checkpoint_steps(store, RUNS[1]) == []
    train(RUNS[:2], store)
    assert [outcome(store, a_run) for a_run in RUNS[:2]] == undisturbed[:2]


def test_damaged_checkpoint_is_passed_over(store, undisturbed, caplog):
    with pytest.raises(KeyboardInterrupt):
        interrupt = interrupt_at(18)
        train(RUNS[:1], store, on_progress=interrupt, checkpoint_seconds=0)
    last = store.folder(RUNS[0]) / "checkpoints" / "000018"
    (last / "arrays" / "manifest.ocdbt").write_bytes(b"")
    train(RUNS[:1], store)
    assert f"{last} is damaged: going on from step 17." in caplog.text
    assert outcome(store, RUNS[0]) == undisturbed[0]


class Relu(Plain):
    def __call__(self, images):
        images = nnx.relu(self.hidden(images.reshape(len(images), -1)))
        return self.output(images)


@pytest.mark.parametrize(
    ("owner", "name", "earlier", "says"),
    [
        (stores, "versions", lambda: VERSIONS | {"optax": "0.1"}, "optax 0.1 (now "),
        (
            OPTIMIZERS,
            "adam",
            Row(functools.partial(optax.adam, b1=0.8), 1e-3),
            "begun with default b1 of adam 0.8 (now 0.9): go back",
        ),
        (NETWORKS, "mlp", Relu, "begun with code of a training step "),
    ],
    ids=["versions", "a default", "code"],
)
def test_what_was_begun_in_another_way_is_not_gone_on_with(
    store, monkeypatch, owner, name, earlier, says
):
    with monkeypatch.context() as patch:
        change = patch.setitem if isinstance(owner, dict) else patch.setattr
        change(owner, name, earlier)
        with pytest.raises(KeyboardInterrupt):
            train([run("adam")], store, on_progress=interrupt_at(9))
    before = contents(store.root)
    with pytest.raises(RunError) as error:
        train([run("adam")], store)
    assert says in str(error.value)
    assert str(store.folder(run("adam"))) in str(error.value)
    assert_one_sentence(str(error.value))
    assert contents(store.root) == before


LONG = [run("adarem_s", **SETTINGS, steps=900, eval_every=3, seed=s) for s in (0, 1)]


def train_in_process(folder, name, settings, connection):
    """Trains LONG, and tells of every event."""
    for _ in install():
        store = Store(folder / name)
        tell = {"on_progress": lambda e: connection.send(e.step)}
        train(LONG, store, devices=jax.devices()[:1] * 2, **tell, **settings)


@pytest.mark.slow
def test_twenty_kills_leave_no_trace(tmp_path):
    """With SIGKILL, at random moments of the start and of training."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # importing JAX is the slow part

    def start(name, **settings):
        receiver, sender = context.Pipe(duplex=False)
        arguments = (tmp_path, name, settings, sender)
        process = context.Process(target=train_in_process, args=arguments)
        process.start()
        sender.close()
        return process, receiver

    def to_the_end(name):
        process, receiver = start(name)
        with pytest.raises(EOFError):
            while True:
                receiver.recv()
        process.join()
        assert process.exitcode == 0

    to_the_end("undisturbed")
    moments = random.Random(0)
    reached = 0
    for kill in range(20):
        process, receiver = start("killed", checkpoint_seconds=0.0)
        # A quarter of the kills hit the start, wherever it is by then. The others come
        # after at most 9 of the 300 events of a whole run, too few to let one end.
        for _ in range(moments.randint(1, 9) if kill % 4 else 0):
            reached = receiver.recv()
        time.sleep(moments.uniform(0.0, 0.1 if kill % 4 else 1.0))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert 0 < reached < 900
    to_the_end("killed")
    undisturbed, killed = Store(tmp_path / "undisturbed"), Store(tmp_path / "killed")
    for a_run in LONG:
        assert outcome(killed, a_run) == outcome(undisturbed, a_run)
