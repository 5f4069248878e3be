"""The command line: `python -m experiments --help`."""

import io
import os
import sys

from experiments.commands import interrupts

if __name__ == "__main__":
    interrupts.install()  # before imports that take seconds
    from experiments.commands.main import main

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # paths may be of any bytes
            stream.reconfigure(errors="backslashreplace")
    code = main(sys.argv[1:])
    # Nothing is left to do, and libraries would tell at length of what was interrupted.
    os._exit(code)
