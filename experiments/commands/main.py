"""Reads the command line, runs a command, and turns its errors into exit codes.

0: done. 1: done, but a run diverged. 2: refused, with one sentence. 130: interrupted.
"""

import contextlib
import importlib
import io
import itertools
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from tyro import extras

from experiments.commands import options
from experiments.errors import ConfigError, unknown

PROGRAM = "python -m experiments"

DESCRIPTION = (
    "Trains optimizers on real data, and holds what papers claim of them against the "
    "results.\n\nRuns are stored by what they are: none is trained twice, and one that "
    "was interrupted goes on where it stopped when the same command is given again."
)

# Each has a module of the same name beside this one, with a function `run`.
COMMANDS: dict[str, Any] = {
    "train": options.Train,
    "reproduce": options.Reproduce,
    "compare": options.Compare,
    "list": options.List,
    "report": options.Report,
    "explore": options.Explore,
    "bench": options.Bench,
}


def main(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        again = shlex.join((*PROGRAM.split(), *arguments))
        print(
            f"Interrupted; what was stored is unharmed, and this goes on from it: "
            f"{again}",
            file=sys.stderr,
        )
        return 130


def _run(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else "--help"
    try:
        if not name.startswith("-") and name not in COMMANDS:
            raise unknown("command", name, COMMANDS)
        chosen = _parse([name, *arguments[1:]])
    except ConfigError as error:
        return _refuse(error)
    # After the command line has been read: these load NumPy.
    from experiments.errors import DataError, OutputError, RunError

    try:
        command = importlib.import_module(f"experiments.commands.{name}")
        return command.run(chosen)
    except (ConfigError, DataError, OutputError, RunError) as error:
        return _refuse(error)


def _parse(arguments: list[str]) -> Any:
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return extras.subcommand_cli_from_dict(
                COMMANDS, prog=PROGRAM, description=DESCRIPTION, args=arguments
            )
    except SystemExit as end:
        if not end.code:  # help was asked for
            raise
        said = box.getvalue()
        near = re.search("Perhaps you meant.*?(--[a-z-]+)", said, re.DOTALL)
        hint = f"perhaps {near[1]}, " if near and near[1] not in arguments else ""
        raise ConfigError(
            f"{_first_paragraph(said)}: {hint}see {PROGRAM} {arguments[0]} --help."
        ) from end


def _first_paragraph(box: str) -> str:
    """What tyro says first, out of the frame that it draws around all it says."""
    lines = [line.strip("│| ") for line in box.splitlines()[1:]]
    inner = itertools.dropwhile(_is_rule, lines)
    said = itertools.takewhile(lambda line: not _is_rule(line), inner)
    return " ".join(said).rstrip(".").replace(". ", "; ")


def _is_rule(line: str) -> bool:
    return not line.strip("─╰╯-+")


def _refuse(error: Exception) -> int:
    print(error, file=sys.stderr)
    return 2
