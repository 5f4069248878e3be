"""What is measured, in processes of their own, becomes tables with what is aimed at."""

import json
import subprocess
import types

import pytest

from experiments import bench
from experiments.bench import table
from experiments.errors import RunError
from tests.experiments.messages import assert_one_sentence


def rows(module, argument):
    """What a measurement prints."""
    match module:
        case "optimizer_step":
            names = (
                "adamw",
                "lion",
                "signum",
                "mas",
                "mas,mu_dtype=bfloat16",
                "m_svag",
            )
            times = zip(names, (10, 10, 10, 7, 7, 12), strict=True)
            return [
                {"name": name, "milliseconds": ms, "bytes_per_parameter": 4.0}
                for name, ms in times
            ]
        case "training_step" if argument == "matmul":
            return [{"name": "matmul", "gflops": 100.0}]
        case "training_step":
            return [{"name": argument, "images_per_second": 1e6, "peak_bytes": 2**21}]
        case "newcomer":
            return [{"name": f"{argument} newcomer", "images_per_second": 1e5}]
        case "variance":
            times = {"gradient": 1.0, "variance": 3.0}
            return [
                {"name": f"{argument} {x}", "milliseconds": ms}
                for x, ms in times.items()
            ]
        case "explorer":
            times = {"click": 99, "slider": 101, "new formula": 3}
            return [{"name": x, "milliseconds": ms} for x, ms in times.items()]


@pytest.fixture
def lines(monkeypatch, capsys):
    """Runs the benchmark with stand-ins, and returns the rows of its tables."""
    asked = []

    def run(command, **options):
        module, *argument = command[2].removeprefix("experiments.bench."), *command[3:]
        asked.append((module, *argument))
        assert not set(options["env"]) & set(table.SETTINGS)
        out = "\n".join(map(json.dumps, rows(module, *argument or [""])))
        return types.SimpleNamespace(returncode=0, stdout=out)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("XLA_FLAGS", "")

    def lines(*arguments):
        bench.main(*arguments)
        told = capsys.readouterr().out.splitlines()
        cells = ([cell.strip() for cell in line.split("│")] for line in told)
        return {row[1]: row[2:-1] for row in cells if len(row) > 2}, asked

    return lines


def test_optimizers(lines):
    cells, asked = lines(["optimizers"], 2)
    assert asked == [("optimizer_step",)] * 2
    assert cells["mas"] == ["7.0 [7.0, 7.0]", "4.00"]
    assert cells["mas / adamw, milliseconds"] == ["0.70", "<= 0.7", "met"]
    assert cells["m_svag / adamw, milliseconds"] == ["1.20", "<= 1.1", "missed"]


def test_training(lines):
    cells, asked = lines(["training"], 1)
    assert ("training_step", "mlp 2 seeds") in asked
    # 71.6 MFLOP an image.
    assert cells["mas_cnn"] == ["1,000,000 [1,000,000, 1,000,000]"] + [
        "71600 (71600%)",
        "2",
    ]
    assert cells["mlp newcomer"][-1] == ""
    assert cells["mlp / mlp newcomer, images per second"] == ["10.00", ">= 2.5", "met"]
    assert cells["mlp variance / mlp gradient, milliseconds"][-1] == "missed"
    assert cells["p1_cnn / matmul, gflops"] == ["820.00", ">= 0.5", "met"]


def test_explorer(lines):
    cells, _ = lines(["explorer"], 3)
    assert cells["slider"] == ["101 [101, 101]"]
    assert cells["click, milliseconds"] == ["99", "<= 100", "met"]
    assert cells["slider, milliseconds"] == ["101", "<= 100", "missed"]


def test_a_measurement_that_fails_is_told_in_one_sentence(monkeypatch):
    failed = types.SimpleNamespace(returncode=3, stderr="Odd\nout of memory\n")
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: failed)
    with pytest.raises(
        RunError, match="'explorer' .* code 3.*: out of memory"
    ) as error:
        bench.main(["explorer"], 1)
    assert_one_sentence(str(error.value))
