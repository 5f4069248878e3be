"""The command line: what it answers, what it leaves behind, and its exit codes."""

import subprocess
import sys

import pytest

from experiments import bench
from experiments.claims import intervals
from experiments.commands import main
from experiments.commands.list import first_line
from experiments.commands.report import RESULTS
from experiments.data.datasets import DATASETS
from experiments.networks.catalogue import NETWORKS
from experiments.runs import summary
from experiments.runs.store import Store
from experiments.studies import catalogue
from experiments.training.optimizers import OPTIMIZERS
from tests.experiments import training_cases
from tests.experiments.command_cases import SMALL, command_in, contents, install
from tests.experiments.messages import assert_one_sentence


@pytest.fixture(autouse=True, scope="module")
def small():
    yield from install()


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    return command_in(tmp_path, monkeypatch, capsys)


def test_help_names_every_command_with_an_example_and_starts_without_jax():
    code = (
        "import sys; from experiments.commands.main import main\n"
        "try: main(['--help'])\n"
        "finally: print({'jax', 'matplotlib', 'panel', 'scipy'} & set(sys.modules))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    for name in main.COMMANDS:
        assert f"python -m experiments {name}" in process.stdout
    assert process.stdout.endswith("set()\n")


def test_module_returns_the_exit_code():
    process = subprocess.run(
        [sys.executable, "-m", "experiments", "reproduce", "mas1"],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert process.stdout == ""
    assert "perhaps 'mas-1'" in process.stderr
    assert_one_sentence(process.stderr.rstrip("\n"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("trian", "Unknown command 'trian', perhaps 'train'"),
        ("train --optimizer mass", "perhaps 'mas'"),
        ("train --optimizer mas,betta=0.5", "perhaps 'beta'"),
        ("train --optimizer mas,lr=0.1", "valid are learning_rate, "),
        (
            "train --optimizer mas,beta=1.0",
            "Optimizer 'mas': beta must lie in [0, 1), got 1.0",
        ),
        ("train --optimizer mas,learning_rate=-1", "learning_rate must be > 0"),
        ("train --model mpl", "perhaps 'mlp'"),
        ("train --dataset mnist", "perhaps 'fashion_mnist'"),
        ("train --epochs 0", "epochs must be an integer >= 1, got 0"),
        ("train --epochs 1 --steps 1", "Exactly one of epochs and steps"),
        ("train --batch-size 84", "batch_size must be at most 83"),
        ("train --seeds 0", "seeds must be an integer >= 1, got 0"),
        ("train --devices 0", "devices must be an integer >= 1, got 0"),
        (f"train --steps {10**4000}", "steps must be at most 2147483647"),
        (f"train --steps {10**18}", "steps must be at most 2147483647"),
        (
            "train --batch-size 8 --epochs 2000000000",
            "epochs must be at most 214748364",
        ),
        (f"train --eval-every {10**18}", "eval_every must be at most 2147483647"),
        ("train --seeds 1000000000", "seeds must be at most 100000"),
        ("train --devices 1000000000", "devices must be at most 256"),
        (
            "train --optimizer adarem,decay_every=3000000000",
            "decay_every must lie in [1, 2.14748e+09), got 3000000000",
        ),
        ("train --runs b\udcffd", "which is not in UTF-8: name another place"),
        ("train --schedule cosin", "perhaps 'cosine'"),
        ("train --schedule step", "schedule boundaries are needed"),
        ("train --runs /proc/runs", "Cannot write to /proc/runs/"),
        ("compare", "one optimizer at least"),
        ("compare mas adm", "perhaps 'adam'"),
        ("reproduce", "one claim at least"),
        ("reproduce mas-9", "perhaps 'mas-"),
        ("reproduce mas-1 --output /proc/results", "Cannot write to /proc/results"),
        ("report --results nowhere", "results must be a folder of tables"),
        ("report --output /proc/report.md", "Cannot write to /proc"),
        ("report --output report.pdf", "must end in .html or .md, got report.pdf"),
        ("report --tables nowhere.md", "tables must come with an output"),
        (
            "report --tables nowhere.md --output report.md",
            "existing text file with '<!-- optimizers -->'",
        ),
        ("bench --rounds 0", "rounds must be an integer >= 1, got 0"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(command, tmp_path, line, says):
    code, out, error = command(*line.split())
    assert code == 2
    assert says in error
    assert_one_sentence(error.rstrip("\n"))
    assert not list(tmp_path.rglob("metrics.jsonl"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("train --optimzer mas", "--optimzer, mas: perhaps --optimizer, see"),
        (
            "train --learning-rate 0.1",
            "--learning-rate, 0.1: see python -m experiments",
        ),
        ("train --epochs five", "--epochs"),
        ("report --runs x", "--runs"),
        ("bench --parts foo", "'foo'"),
        ("list claim", "'claim'"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused_in_one_sentence(command, line, says):
    code, out, error = command(*line.split())
    assert (code, out) == (2, "")
    assert says in error
    assert_one_sentence(error.rstrip("\n"))


def test_train_stores_every_seed_and_never_trains_it_again(
    command, tmp_path, monkeypatch
):
    line = ("train", "--optimizer", "mas,beta=0.5", "--seeds", "2", *SMALL)
    code, out, error = command(*line)
    assert (code, error) == (0, "")
    told = [line.partition(":")[0] for line in out.splitlines()]
    assert told == [
        f"({n} of 2) mas,learning_rate=0.0002,beta=0.5 on mlp, seed {n - 1}"
        for n in (1, 2)
    ]
    runs = [
        training_cases.run("mas", 2e-4, seed=seed, options={"beta": 0.5})
        for seed in (0, 1)
    ]
    assert {entry.run for entry in Store("runs").list()} == set(runs)
    before = contents(tmp_path)
    assert command(*line)[0] == 0
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_the_folder_of_runs_can_be_set_in_the_environment(command, monkeypatch):
    monkeypatch.setenv("OPTAX_SIGN_RUNS", "elsewhere")
    assert command("train", *SMALL)[0] == 0
    assert len(Store("elsewhere").list()) == 1
    assert "finished at step 25" in command("list")[1]


@pytest.mark.slow
def test_runs_that_diverge_are_recorded_and_told(command):
    # p1_cnn stands for a network that returns NaN at a step of its own.
    line = ("compare", "mas", "--seeds", "2", "--model", "p1_cnn", *SMALL)
    code, out, error = command(*line)
    assert code == 1
    assert out.count("diverged at step") == 2
    assert "2 diverged" in out
    for seed in (0, 1):
        assert f"mas,learning_rate=0.0002 on p1_cnn, seed {seed} at step" in error
    assert_one_sentence(error.rstrip("\n"))
    assert {entry.status for entry in Store("runs").list()} == {"diverged"}


def test_an_absurd_rate_diverges(command):
    code, _, error = command("train", "--optimizer", "sgd,learning_rate=1e38", *SMALL)
    assert code == 1
    assert "sgd,learning_rate=1e+38 on mlp, seed 0 at step" in error
    (entry,) = Store("runs").list()
    assert entry.status == "diverged"


@pytest.mark.slow
def test_compare_prints_means_with_their_intervals(command):
    code, out, _ = command("compare", "mas", "adam", "--seeds", "3", *SMALL)
    assert code == 0
    for name, rate in (("mas", 2e-4), ("adam", 1e-3)):
        store = Store("runs")
        runs = [training_cases.run(name, rate, seed=seed) for seed in range(3)]
        found = [store.result(run) for run in runs]
        losses = [result.metrics["test_loss"] for result in found]
        smooth = [
            summary.smooth(store.read_metrics(run).losses, range(1, 26))[-1]
            for run in runs
        ]
        (row,) = (line for line in out.splitlines() if f"│ {name}," in line)
        assert intervals.interval(losses).text(3) in row
        assert intervals.interval(smooth).text(3) in row
        # 16·8 + 8 + 8·3 + 3 weights of the small network, and the counter.
        size = {"mas": 4, "adam": 8}[name] + 4 / 163
        assert f"{size:.2f}" in row
        assert sum("±" in cell for cell in row.split("│")) == 4


def test_list_says_what_is_stored(command):
    assert command("list") == (0, "No runs are stored in runs.\n", "")
    command("train", *SMALL)
    code, out, _ = command("list")
    assert code == 0
    (row,) = (line for line in out.splitlines() if "mas,learning_rate=0.0002" in line)
    assert "mlp" in row
    assert "finished at step 25" in row
    assert "%" in row


@pytest.mark.parametrize(
    ("what", "row"),
    [
        ("claims", ("mas-1-tuned ", "On an MLP, MaS is as", "3 of 5 parts met")),
        ("optimizers", ("mas_hyperball ", "0.01")),
        ("networks", ("resnet_8_8 ", "width=8")),
        ("datasets", ("fashion_mnist ",)),
    ],
)
def test_list_says_what_can_be_asked_for_by_name(capsys, what, row):
    assert main.main(["list", what]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(all(part in line for part in row) for line in lines)


def test_list_takes_a_folder_of_runs_for_runs_only(command):
    code, out, error = command("list", "claims", "--runs", "elsewhere")
    assert (code, out) == (2, "")
    assert "runs must be left out" in error
    assert_one_sentence(error.rstrip("\n"))


def test_all_that_can_be_asked_for_says_what_it_is():
    made = {name: row.make for name, row in OPTIMIZERS.items()}
    made |= NETWORKS | {name: source.load for name, source in DATASETS.items()}
    silent = [name for name, what in made.items() if not first_line(what)]
    assert not silent, f"These need a docstring: {silent}"


def test_report_is_of_the_committed_results(command):
    code, out, error = command("report")
    assert (code, error) == (0, "")
    for claim in (c for study in catalogue.STUDIES for c in study.claims):
        assert f"### {claim.id}\n" in out
    assert RESULTS.name == "results"


def test_bench_is_told_what_to_measure(command, monkeypatch):
    asked = []
    monkeypatch.setattr(bench, "main", lambda *arguments: asked.append(arguments))
    assert command("bench", "--parts", "training", "--rounds", "2")[0] == 0
    assert asked == [(("training",), 2)]
