"""Kills training at random moments, hundreds of times, and compares every number.

    python -m tests.experiments.kill_campaign --kills 500 --folder FOLDER

A trial is a `train` of three seeds in a store of its own, on Fashion-MNIST files of a
few hundred images. Its process is killed (SIGKILL), up to five times, and started again
until it ends; then every number of every run has to be, bit for bit, that of the run
trained alone and in peace, and no file may be left over. Processes tell of the phases
that they enter; phase and moment are drawn at random. The tally is kept in the folder,
so that a campaign that was stopped goes on.
"""

import argparse
import collections
import functools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from experiments.commands import main
from experiments.commands.train import Settings, runs_of
from experiments.data import datasets
from experiments.runs import checkpoints, config
from experiments.runs.store import Handle, Store
from experiments.training import loop, parallel, train
from tests.experiments import tiny_fashion_mnist
from tests.experiments.training_cases import outcome

SEEDS, KILLS = 3, 5
SETTINGS = {"steps": 60, "eval_every": 20, "batch_size": 64}
# Momentum alone, a variance from each mini-batch, and norms over all weights.
OPTIMIZERS = ("mas", "m_svag,variance=mini_batch", "adarem")
# What begins a phase, and the longest wait in it before the kill.
PHASES: dict[str, tuple[object, str, float]] = {
    "data": (datasets, "load", 0.3),
    "compile": (parallel.Programs, "__init__", 1.0),
    "steps": (parallel.Lane, "advance", 0.05),
    "evaluation": (parallel.Lane, "evaluate", 0.05),
    "metrics": (Handle, "append", 0.02),
    "checkpoint": (checkpoints, "save", 0.2),
    "weights": (loop.Loop, "_finish", 0.2),
    "result": (Handle, "finish", 0.02),
}
BETWEEN = "between results"
WAITS = {phase: wait for phase, (*_, wait) in PHASES.items()} | {BETWEEN: 0.05}
IMPORT_SECONDS = 6.0


def told(function: Callable, phase: str, tell: Callable[[str], None]) -> Callable:
    @functools.wraps(function)
    def wrapper(*arguments, **options):
        tell(phase)
        result = function(*arguments, **options)
        tell(BETWEEN if phase == "result" else f"after {phase}")
        return result

    return wrapper


def command(root: pathlib.Path, store: pathlib.Path, optimizer: str, *more: str) -> int:
    """The command on small data, with frequent checkpoints, telling each phase."""

    def tell(phase: str) -> None:
        os.write(1, f"{phase}\n".encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_fashion_mnist, "SIZES", {"train": 300, "t10k": 80})
        tiny_fashion_mnist.use_tiny_files("http://nowhere/", patch)
        published = root / "published"
        if not published.exists():
            tiny_fashion_mnist.folder_of(published, tiny_fashion_mnist.files())
        patch.setattr(loop, "PORTION_SECONDS", 0.02)
        often = functools.partial(train.train, checkpoint_seconds=0.1)
        patch.setattr(train, "train", often)
        for phase, (owner, name, _) in PHASES.items():
            patch.setattr(owner, name, told(getattr(owner, name), phase, tell))
        words = [f"--{k.replace('_', '-')}={v}" for k, v in SETTINGS.items()]
        place = ("--runs", str(store), "--data-dir", str(published))
        return main.main(["train", "--optimizer", optimizer, *words, *place, *more])


class Process:
    """A process that tells its phases, forked from this one or a new one."""

    def __init__(self, root: pathlib.Path, *arguments: object, fork: bool = True):
        self.phase = "import"
        reading, pipe = os.pipe()
        self._pipe = open(reading, "rb", buffering=0)
        log = os.open(root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        words = [str(root), *map(str, arguments)]
        if not fork:
            line = [sys.executable, "-m", __spec__.name, "--child", *words]
            self.pid = subprocess.Popen(line, stdout=pipe, stderr=log).pid
        elif not (pid := os.fork()):
            os.dup2(pipe, 1)
            os.dup2(log, 2)
            sys.stdout = open(1, "w", closefd=False)
            code = 1
            try:
                code = child(*words)
            finally:
                os._exit(code)
        else:
            self.pid = pid
        os.close(pipe)
        os.close(log)

    def phases(self) -> Iterator[str]:
        """Those that it enters, until it ends."""
        while line := self._pipe.readline():
            phase = line.decode().rstrip("\n")
            if phase.removeprefix("after ") in WAITS:
                self.phase = phase
                yield phase

    def end(self) -> int:
        """Waits for its end and returns its exit code, or minus the signal."""
        collections.deque(self.phases(), maxlen=0)
        self._pipe.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def child(root: str, what: str, *arguments: str) -> int:
    folder = pathlib.Path(root)
    return {"command": command, "compare": compare}[what](folder, *arguments)


def contents(store: Store, run: config.Run) -> dict[str, object]:
    """All of a run that has to be the same: numbers, and which files there are."""
    folder = store.folder(run)
    result = json.loads((folder / "result.json").read_text()) | {"seconds": 0}
    names = (path.name for path in folder.iterdir())
    files = {name for name in names if not name.startswith("events.")}
    return {"bytes": outcome(store, run), "result": result, "files": files}


def compare(root: pathlib.Path, store: str, optimizer: str) -> int:
    """Whether all is as in the store of undisturbed runs."""
    whole, code = Store(root / "undisturbed"), 0
    for run in runs_of(optimizer, Settings(**SETTINGS, seeds=SEEDS)):
        expected, found = contents(whole, run), contents(Store(store), run)
        for what in expected:
            if found[what] != expected[what]:
                print(f"Differs: {what} of {Store(store).folder(run)}", file=sys.stderr)
                code = 1
    return code


def trial(root: pathlib.Path, number: int) -> dict[str, object]:
    """Kills a training several times, lets it end, and compares."""
    moments, kills = random.Random(number), []
    optimizer = OPTIMIZERS[number % len(OPTIMIZERS)]
    store = root / f"trial-{number}"
    shutil.rmtree(store, ignore_errors=True)
    # Now and then there are no data and no programs yet.
    data = store / "cache" if number % 25 == 9 else root / "cache"
    os.environ["OPTAX_SIGN_CACHE"] = str(data)

    def start(fork: bool = True) -> Process:
        more = ("--seeds", SEEDS, "--devices", moments.randint(1, SEEDS))
        return Process(root, "command", store / "runs", optimizer, *more, fork=fork)

    while len(kills) < KILLS:
        if moments.random() < 0.08:
            process = start(fork=False)
            time.sleep(moments.uniform(0, IMPORT_SECONDS))
        else:
            process, chosen = start(), moments.choice([*WAITS])
            most = {"data": 1, "compile": 1, "steps": 12}.get(chosen, SEEDS)
            count = moments.randint(1, most)
            for phase in process.phases():
                count -= phase == chosen
                if not count:
                    time.sleep(moments.uniform(0, WAITS[chosen]))
                    break
        os.kill(process.pid, signal.SIGKILL)
        code = process.end()
        if code == 0:  # it had ended already
            break
        assert code == -signal.SIGKILL, f"Exit code {code}: see {root / 'log'}."
        kills.append(process.phase)
    ended = start().end()
    equal = ended == 0 and not Process(root, "compare", store / "runs", optimizer).end()
    if equal:
        shutil.rmtree(store)
    return {"trial": number, "kills": kills, "equal": equal}


def campaign(root: pathlib.Path, kills: int) -> int:
    root.mkdir(parents=True, exist_ok=True)
    os.environ["OPTAX_SIGN_CACHE"] = str(root / "cache")
    for optimizer in OPTIMIZERS:
        for seed in range(SEEDS):
            alone = ("--first-seed", seed, "--devices", 1)
            process = Process(root, "command", root / "undisturbed", optimizer, *alone)
            assert process.end() == 0, f"See {root / 'log'}."
    tally = root / "tally.jsonl"
    tally.touch()
    trials = [json.loads(line) for line in tally.read_text().splitlines()]
    while (done := sum(len(one["kills"]) for one in trials)) < kills:
        trials.append(trial(root, len(trials)))
        with tally.open("a") as file:
            file.write(json.dumps(trials[-1]) + "\n")
        print(f"{done + len(trials[-1]['kills'])} kills: {trials[-1]}", flush=True)
    counts = collections.Counter(phase for one in trials for phase in one["kills"])
    for phase, count in counts.most_common():
        print(f"{count:5}  {phase}")
    harmless = sum(len(one["kills"]) for one in trials if one["equal"])
    print(f"{harmless} of {done}")
    return harmless != done


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(*sys.argv[2:]))
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    options = parser.parse_args()
    sys.exit(campaign(options.folder.absolute(), options.kills))
