"""Ctrl-C and refused writes: one sentence at any moment, never a traceback."""

import os
import signal
import subprocess
import sys

import pytest

from experiments.commands import interrupts
from experiments.runs.store import Handle, Store
from tests.experiments.command_cases import SMALL, command_in, install

# Presses Ctrl-C when a module is looked for, as a library may do that passes over it.
PRESS = """
import runpy, signal, sys
module, swallows = sys.argv[1:]
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                if swallows == "no":
                    raise
sys.meta_path.insert(0, Press())
sys.argv = ["experiments", "list", "optimizers"]
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("experiments", run_name="__main__", alter_sys=True)
"""
INTERRUPTED = (
    "Interrupted; what was stored is unharmed, and this goes on from it: python -m "
    "experiments list optimizers\n"
)


@pytest.mark.parametrize(("module", "swallows"), [("tyro", "no"), ("optax", "yes")])
def test_an_early_ctrl_c_is_heard_and_told_in_one_sentence(module, swallows):
    done = subprocess.run(
        [sys.executable, "-c", PRESS, module, swallows], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == INTERRUPTED


@pytest.fixture(scope="module")
def small():
    yield from install()


@pytest.fixture
def command(small, tmp_path, monkeypatch, capsys):
    return command_in(tmp_path, monkeypatch, capsys)


@pytest.fixture
def ctrl_c():
    """Installs the handler of the command line."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupts.install()
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    interrupts._heard.clear()


def test_ctrl_c_in_training_waits_for_where_it_can_be_saved(
    command, ctrl_c, monkeypatch
):
    append = Handle.append

    def pressed(handle, rows):
        ctrl_c()
        append(handle, rows)
        appended.append(handle.last_step)

    appended = []
    monkeypatch.setattr(Handle, "append", pressed)
    code, out, error = command("train", *SMALL)
    assert (code, out, appended) == (130, "", [7])
    assert error.startswith("Interrupted; ") and error.count("\n") == 1
    (entry,) = Store("runs").list()
    assert (entry.status, entry.detail) == ("unfinished", "at step 7")
    assert list(entry.folder.glob("checkpoints/0*"))


class Ended(BaseException):
    """In the place of the end of the process."""


def test_ctrl_c_before_and_after_training_and_the_second_one_do_not_wait(
    ctrl_c, monkeypatch, capfd
):
    def end(code):
        assert code == 130
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    for presses, stops in ((1, 0), (2, 1)):
        interrupts._heard.clear()
        signal.signal(signal.SIGINT, interrupts._leave)
        with pytest.raises(Ended), interrupts.saving() as stop_here:
            for _ in range(stops):
                stop_here()
            for _ in range(presses):
                ctrl_c()
        assert capfd.readouterr().err.startswith("Interrupted; ")
    interrupts._heard.clear()
    signal.signal(signal.SIGINT, interrupts._leave)
    with interrupts.saving() as stop_here:
        stop_here()
    with pytest.raises(Ended):
        ctrl_c()


def test_an_output_that_cannot_be_written_is_told(tmp_path):
    command = [sys.executable, "-m", "experiments", "list", "--runs", str(tmp_path)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "The output cannot be used: No space left on device.\n"
