"""Runs the measurements in turn, several rounds, and prints tables and aims."""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from experiments.errors import RunError

# FLOP an image of a training step: forward and backward, without the gradient that
# the first layer would pass to the images.
FLOP = {"mlp": 0.454e6, "mas_cnn": 71.6e6, "p1_cnn": 82.0e6}

# Settings of this process that a newcomer's would not have.
SETTINGS = ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES", "JAX_COMPILATION_CACHE_DIR")

# Modules of this room with their argument.
COMMANDS = {
    "optimizers": ("optimizer_step",),
    "training": (
        *("training_step matmul", "training_step mlp 2 seeds"),
        *(f"training_step {model}" for model in FLOP),
        *(f"newcomer {model}" for model in FLOP),
        *("variance mlp", "variance p1_cnn"),
    ),
    "explorer": ("explorer",),
}

Figures = dict[str, dict[str, list[float]]]  # row → column → one value a round


class Aim(NamedTuple):
    """A bound on what is measured, or on the ratio of two rows; medians count.

    Attributes:
      row: what is measured.
      rival: what it is divided by, nothing if empty.
      column: of the two rows.
      sign: "<=" or ">=".
      bound: what is aimed at.
    """

    row: str
    rival: str
    column: str
    sign: str
    bound: float


TIME, RATE, PEAK = "milliseconds", "images_per_second", "gflops"
AIMS = {
    "optimizers": (
        Aim("mas", "adamw", TIME, "<=", 0.7),
        Aim("mas", "lion", TIME, "<=", 0.6),
        Aim("mas", "signum", TIME, "<=", 1.05),
        Aim("m_svag", "adamw", TIME, "<=", 1.1),
        Aim("mas,mu_dtype=bfloat16", "mas", TIME, "<=", 1.0),
    ),
    "training": (
        Aim("mlp", "mlp newcomer", RATE, ">=", 2.5),
        Aim("mas_cnn", "mas_cnn newcomer", RATE, ">=", 3.0),
        Aim("p1_cnn", "p1_cnn newcomer", RATE, ">=", 1.9),
        Aim("mas_cnn", "matmul", PEAK, ">=", 0.5),
        Aim("p1_cnn", "matmul", PEAK, ">=", 0.5),
        Aim("mlp 2 seeds", "mlp", RATE, ">=", 1.3),
        Aim("mlp variance", "mlp gradient", TIME, "<=", 2.0),
        Aim("p1_cnn variance", "p1_cnn gradient", TIME, "<=", 2.0),
    ),
    "explorer": (
        Aim("click", "", TIME, "<=", 100),
        Aim("slider", "", TIME, "<=", 100),
        Aim("new formula", "", TIME, "<=", 2000),
    ),
}


def main(parts: Iterable[str], rounds: int) -> None:
    """Measures, each round in fresh processes one after another, and prints.

    Args:
      parts: of "optimizers" (a step on the tree of GPT-2 small), "training" (the
        networks, as built and as a newcomer writes them, and the mini-batch variance
        of their gradients) and "explorer" (its page, what the server does of it).
      rounds: how often all is measured; what is printed is the median, with the
        least and the greatest beside it.
    """
    console = Console()
    tables = {"optimizers": _optimizers, "training": _training, "explorer": _explorer}
    for part, table in tables.items():
        if part in parts:
            figures = _measure(COMMANDS[part], rounds)
            console.print(table(figures))
            console.print(_aims(figures, AIMS[part]))


def _measure(commands: Iterable[str], rounds: int) -> Figures:
    figures: Figures = defaultdict(lambda: defaultdict(list))
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    for command in [*commands] * rounds:
        module, *argument = command.split(" ", 1)
        child = subprocess.run(
            [sys.executable, "-m", f"experiments.bench.{module}", *argument],
            env=environment,
            capture_output=True,
            text=True,
        )
        if child.returncode:
            said = child.stderr.strip().splitlines() or ["nothing"]
            raise RunError(
                f"The measurement {command!r} ended with exit code {child.returncode} "
                f"(the optimizers need 11 GB of memory) and said: {said[-1]}."
            )
        for row in map(json.loads, child.stdout.splitlines()):
            name = row.pop("name")
            if RATE in row:
                row[PEAK] = 1e-9 * row[RATE] * FLOP[name.split()[0]]
            for column, value in row.items():
                figures[name][column].append(value)
    return figures


def _optimizers(figures: Figures) -> Table:
    title = "One step on 124 M weights, float32"
    table = _table(title, "optimizer", "ms [min, max]", "bytes of state a weight")
    for name, row in figures.items():
        size = f"{row['bytes_per_parameter'][0]:.2f}"
        table.add_row(name, _spread(row[TIME], 1), size)
    return table


def _training(figures: Figures) -> Table:
    peak = statistics.median(figures["matmul"][PEAK])
    title = f"Training, batch 64, Adam; matmul peak {peak:.0f} GFLOP/s"
    heads = ("network", "images/s [min, max]", "GFLOP/s (of peak)", "MiB")
    table = _table(title, *heads)
    for name, row in figures.items():
        if RATE in row:
            gflops = statistics.median(row[PEAK])
            share = f"{gflops:.0f} ({gflops / peak:.0%})"
            sizes = row.get("peak_bytes")
            memory = f"{max(sizes) / 2**20:.0f}" if sizes else ""
            table.add_row(name, _spread(row[RATE]), share, memory)
    return table


def _explorer(figures: Figures) -> Table:
    title = "Explorer, 3 optimizers of 500 steps, time of the server"
    table = _table(title, "after", "ms [min, max]")
    for name, row in figures.items():
        table.add_row(name, _spread(row[TIME]))
    return table


def _aims(figures: Figures, aims: Iterable[Aim]) -> Table:
    table = _table("Medians and their ratios", "of", "measured", "aim", "")
    for row, rival, column, sign, bound in aims:
        label, value = row, statistics.median(figures[row][column])
        if rival:
            label = f"{row} / {rival}"
            value /= statistics.median(figures[rival][column])
        met = value <= bound if sign == "<=" else value >= bound
        told = f"{value:,.2f}" if rival else f"{value:,.0f}"
        words = column.replace("_", " ")
        table.add_row(
            f"{label}, {words}", told, f"{sign} {bound:,}", "met" if met else "missed"
        )
    return table


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index else "left")
    return table


def _spread(values: list[float], digits: int = 0) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"
