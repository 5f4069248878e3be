"""Ctrl-C: heard at any moment, and told in one sentence.

An exception out of a signal handler appears wherever the program happens to be, as in a
library that passes over it or prints pages. So there is none: everything here may be
killed, and ends at once, but for training, which first comes to where it can be saved.
"""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

PROGRAM = "python -m experiments"

_heard: list[int] = []


def sentence(arguments: Sequence[str]) -> str:
    """What a user is told, with the command to go on."""
    again = shlex.join((*PROGRAM.split(), *arguments))
    return (
        f"Interrupted; what was stored is unharmed, and this goes on from it: {again}"
    )


def install() -> None:
    """Lets Ctrl-C end this process, unless it was started to ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


@contextlib.contextmanager
def saving() -> Iterator[Callable[[], None]]:
    """Around training: gives what it is to call wherever it can be saved.

    From the first such call Ctrl-C waits for the next, which raises KeyboardInterrupt;
    who presses it twice does not wait.
    """
    try:
        yield _stop_here
    finally:
        if signal.getsignal(signal.SIGINT) is _wait:
            signal.signal(signal.SIGINT, _leave)
    if _heard:
        raise KeyboardInterrupt


def _stop_here() -> None:
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, _wait)
    if _heard:
        raise KeyboardInterrupt


def _wait(signum: int, frame: object) -> None:
    if _heard:
        _leave(signum, frame)
    _heard.append(signum)


def _leave(signum: int, frame: object) -> None:
    signal.signal(signum, signal.SIG_IGN)
    if os.isatty(1):
        os.write(
            1, b"\r\x1b[K\x1b[?25h"
        )  # without the bar, which has hidden the cursor
    os.write(2, sentence(sys.argv[1:]).encode(errors="backslashreplace") + b"\n")
    os._exit(130)
