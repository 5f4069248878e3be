"""Runs the measurements in turn, several rounds, and prints the table and ratios."""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.table import Table

from experiments.errors import RunError

# FLOP an image of a training step: forward and backward, without the gradient that
# the first layer would pass to the images.
FLOP = {"mlp": 0.454e6, "mas_cnn": 71.6e6, "p1_cnn": 82.0e6}

# Settings of this process that a newcomer's would not have.
SETTINGS = ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES", "JAX_COMPILATION_CACHE_DIR")

Figures = dict[str, dict[str, list[float]]]  # row → column → one value a round


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
    if "optimizers" in parts:
        figures = _measure(["_optimizer_step"], rounds)
        console.print(_optimizer_table(figures))
        _print_ratios(console, figures, OPTIMIZER_RATIOS)
    if "training" in parts:
        variants = [
            *("_training_step matmul", "_training_step mlp 2 seeds"),
            *(f"_training_step {model}" for model in FLOP),
            *(f"_newcomer {model}" for model in FLOP),
            *("_variance mlp", "_variance p1_cnn"),
        ]
        figures = _measure(variants, rounds)
        console.print(_training_table(figures))
        _print_ratios(console, figures, TRAINING_RATIOS)
    if "explorer" in parts:
        console.print(_explorer_table(_measure(["_explorer"], rounds)))


def _measure(commands: list[str], rounds: int) -> Figures:
    figures: Figures = defaultdict(lambda: defaultdict(list))
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    for _ in range(rounds):
        for command in commands:
            module, _, argument = command.partition(" ")
            line = [sys.executable, "-m", f"experiments.bench.{module}"]
            child = subprocess.run(
                line + ([argument] if argument else []),
                env=environment,
                capture_output=True,
                text=True,
            )
            if child.returncode:
                said = child.stderr.strip().splitlines() or ["nothing"]
                raise RunError(
                    f"The measurement {command!r} ended with exit code "
                    f"{child.returncode} (the optimizers need 11 GB of memory) and "
                    f"said: {said[-1]}."
                )
            for row in map(json.loads, child.stdout.splitlines()):
                name = row.pop("name")
                for column, value in row.items():
                    figures[name][column].append(value)
    return figures


def _median(figures: Figures, row: str, column: str) -> float:
    return statistics.median(figures[row][column])


def _spread(values: list[float], digits: int = 0) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


def _optimizer_table(figures: Figures) -> Table:
    table = Table(title="One step on 124 M weights, float32")
    for column in ("optimizer", "ms [min, max]", "bytes of state a weight"):
        table.add_column(column, justify="left" if column == "optimizer" else "right")
    for name, row in figures.items():
        table.add_row(
            name,
            _spread(row["milliseconds"], 1),
            f"{row['bytes_per_parameter'][0]:.2f}",
        )
    return table


def _training_table(figures: Figures) -> Table:
    peak = _median(figures, "matmul", "gflops")
    table = Table(title=f"Training, batch 64, Adam; matmul peak {peak:.0f} GFLOP/s")
    for column in ("network", "images/s [min, max]", "GFLOP/s (of peak)", "MiB"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for name, row in figures.items():
        if "images_per_second" not in row:
            continue
        rates = row["images_per_second"]
        gflops = 1e-9 * statistics.median(rates) * FLOP[name.split()[0]]
        memory = f"{max(row['peak_bytes']) / 2**20:.0f}" if "peak_bytes" in row else ""
        share = f"{gflops:.0f} ({gflops / peak:.0%})"
        table.add_row(name, _spread(rates), share, memory)
    return table


def _explorer_table(figures: Figures) -> Table:
    table = Table(title="Explorer, 3 optimizers of 500 steps, time of the server")
    for column in ("after", "ms [min, max]", "aim", ""):
        table.add_column(column)
    for name, row in figures.items():
        times, bound = row["milliseconds"], EXPLORER_BOUNDS[name]
        met = statistics.median(times) <= bound
        table.add_row(
            name, _spread(times), f"<= {bound:,} ms", "met" if met else "missed"
        )
    return table


Ratio = tuple[str, Callable[[Figures], float], str, float]


def _step(row: str, rival: str) -> Callable[[Figures], float]:
    def ratio(figures: Figures) -> float:
        own = _median(figures, row, "milliseconds")
        return own / _median(figures, rival, "milliseconds")

    return ratio


def _rate(row: str, rival: str) -> Callable[[Figures], float]:
    def ratio(figures: Figures) -> float:
        own = _median(figures, row, "images_per_second")
        return own / _median(figures, rival, "images_per_second")

    return ratio


def _share(model: str) -> Callable[[Figures], float]:
    def ratio(figures: Figures) -> float:
        rate = _median(figures, model, "images_per_second")
        return 1e-9 * rate * FLOP[model] / _median(figures, "matmul", "gflops")

    return ratio


# What is aimed at: label, ratio, "<=" or ">=", bound.
OPTIMIZER_RATIOS: tuple[Ratio, ...] = (
    ("mas / adamw, time", _step("mas", "adamw"), "<=", 0.7),
    ("mas / lion, time", _step("mas", "lion"), "<=", 0.6),
    ("mas / signum, time", _step("mas", "signum"), "<=", 1.05),
    ("m_svag / adamw, time", _step("m_svag", "adamw"), "<=", 1.1),
    ("mas bfloat16 / mas, time", _step("mas bfloat16", "mas"), "<=", 1.0),
)
TRAINING_RATIOS: tuple[Ratio, ...] = (
    ("mlp / newcomer, rate", _rate("mlp", "mlp newcomer"), ">=", 2.5),
    ("mas_cnn / newcomer, rate", _rate("mas_cnn", "mas_cnn newcomer"), ">=", 3.0),
    ("p1_cnn / newcomer, rate", _rate("p1_cnn", "p1_cnn newcomer"), ">=", 1.9),
    ("mas_cnn / matmul peak", _share("mas_cnn"), ">=", 0.5),
    ("p1_cnn / matmul peak", _share("p1_cnn"), ">=", 0.5),
    ("mlp, 2 seeds / 1 seed, rate", _rate("mlp 2 seeds", "mlp"), ">=", 1.3),
    ("mlp variance / gradient, time", _step("mlp variance", "mlp gradient"), "<=", 2.0),
    (
        "p1_cnn variance / gradient, time",
        _step("p1_cnn variance", "p1_cnn gradient"),
        "<=",
        2.0,
    ),
)

EXPLORER_BOUNDS = {"click": 100, "slider": 100, "new formula": 2000}  # ms


def _print_ratios(
    console: Console, figures: Figures, ratios: tuple[Ratio, ...]
) -> None:
    table = Table(title="Ratios of medians")
    for column in ("ratio", "measured", "aim", ""):
        table.add_column(column)
    for label, ratio, sign, bound in ratios:
        value = ratio(figures)
        met = value <= bound if sign == "<=" else value >= bound
        table.add_row(
            label, f"{value:.2f}", f"{sign} {bound}", "met" if met else "missed"
        )
    console.print(table)
