"""Commands run in a folder of their own, on the small data set and networks."""

import pathlib
import signal
from collections.abc import Callable, Iterator

import pytest

from experiments import environment
from experiments.commands import main
from experiments.training import progress
from tests.experiments import training_cases

# Small runs of the small networks.
SMALL = ("--batch-size", "8", "--steps", "25", "--eval-every", "7")


def install() -> Iterator[None]:
    """As `training_cases.install`; the tests' own devices are set up already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "prepare", lambda: None)
        yield from training_cases.install()


def command_in(
    folder: pathlib.Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in the folder; returns code, output and errors."""
    patch.chdir(folder)
    patch.delenv("OPTAX_SIGN_RUNS", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


def contents(folder: pathlib.Path) -> dict[pathlib.Path, bytes]:
    """Every file below the folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interrupt_at(count: int, patch: pytest.MonkeyPatch) -> None:
    """Presses Ctrl-C when training tells its progress for the `count`-th time."""
    events = []
    told = progress.Watch.__call__

    def tell(watch, event):
        events.append(event)
        told(watch, event)
        if len(events) == count:
            # What a shell started in the background ignores the signal.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.raise_signal(signal.SIGINT)

    patch.setattr(progress.Watch, "__call__", tell)
