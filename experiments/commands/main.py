"""Reads the command line, runs a command, and turns its errors into exit codes.

0: done. 1: done, but a run diverged. 2: refused, with one sentence. 130: interrupted.
"""

import contextlib
import io
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tyro import extras

from experiments.commands import bench, compare, explore, list, report, reproduce, train
from experiments.commands.interrupts import PROGRAM, sentence
from experiments.errors import ConfigError, DataError, OutputError, RunError, unknown

DESCRIPTION = (
    "Trains optimizers on real data, and holds what papers claim of them against the "
    "results.\n\nRuns are stored by what they are: none is trained twice, and one that "
    "was interrupted goes on where it stopped when the same command is given again."
)

# What each can be told, and what does it.
COMMANDS: dict[str, tuple[type, Callable[[Any], int]]] = {
    "train": (train.Train, train.run),
    "reproduce": (reproduce.Reproduce, reproduce.run),
    "compare": (compare.Compare, compare.run),
    "list": (list.List, list.run),
    "report": (report.Report, report.run),
    "explore": (explore.Explore, explore.run),
    "bench": (bench.Bench, bench.run),
}


def main(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    name = arguments[0] if arguments else "--help"
    try:
        if not name.startswith("-") and name not in COMMANDS:
            raise unknown("command", name, COMMANDS)
        options = _parse([name, *arguments[1:]])
        _, run = COMMANDS[name]
        code = run(options)
        sys.stdout.flush()  # here, where a refusal can be told
        return code
    except (ConfigError, DataError, OutputError, RunError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        place = error.filename or "The output"
        print(f"{place} cannot be used: {error.strerror}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(sentence(arguments), file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str]) -> Any:
    box = io.StringIO()
    options: dict[str, Callable[..., Any]] = {n: o for n, (o, _) in COMMANDS.items()}
    try:
        with contextlib.redirect_stderr(box):
            return extras.subcommand_cli_from_dict(
                options, prog=PROGRAM, description=DESCRIPTION, args=arguments
            )
    except SystemExit as end:
        if not end.code:  # help was asked for
            sys.stdout.flush()
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
