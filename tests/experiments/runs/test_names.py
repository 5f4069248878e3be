"""What a run is called: the hash that names it, and its words."""

import dataclasses
import os
import subprocess
import sys

from experiments.runs import names
from experiments.runs.config import Run
from tests.experiments.runs.test_config import MAS, RUN, STEPPED


def test_hash_is_what_it_always_was():
    # If this fails, every stored run and every committed result loses its name: give
    # the run its old hash back.
    assert names.run_hash(RUN) == "9972d999656749ad"
    assert names.run_hash(Run(optimizer=STEPPED, steps=7)) == "a8fa2899d28a3fbd"


def test_hash_does_not_depend_on_the_process():
    code = (
        "from experiments.runs.config import *\n"
        "from experiments.runs.names import *\n"
        f"print(run_hash({RUN!r}))\n"
        "import sys\n"
        "print([m for m in ('jax', 'numpy', 'flax', 'optax') if m in sys.modules])"
    )
    # Strings hash differently under another PYTHONHASHSEED, sets come in another order.
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert process.stdout.splitlines() == [names.run_hash(RUN), "[]"], process.stderr


def test_hash_sees_every_field_and_no_order():
    others = {
        "batch_size": 32,
        "epochs": 6,
        "shuffle": False,
        "augment": True,
        "l2": 5e-4,
        "eval_every": 499,
        "seed": 1,
        "model": "mas_cnn",
        "optimizer": STEPPED,
    }
    runs = [RUN, *(dataclasses.replace(RUN, **{k: v}) for k, v in others.items())]
    assert len({names.run_hash(run) for run in runs}) == len(runs)
    turned = dataclasses.replace(STEPPED, options=STEPPED.options[::-1])
    assert turned == STEPPED
    integer = dataclasses.replace(MAS, learning_rate=1)
    real = dataclasses.replace(MAS, learning_rate=1.0)
    assert names.run_hash(Run(optimizer=integer, steps=1)) == names.run_hash(
        Run(optimizer=real, steps=1)
    )


def test_equal_runs_have_equal_names():
    # An option of 0 equals one of 0.0, and the results of the two are the same.
    whole, real = (
        dataclasses.replace(MAS, options=(("beta", beta),)) for beta in (0, -0.0)
    )
    assert whole == real
    assert names.run_hash(dataclasses.replace(RUN, optimizer=whole)) == (
        names.run_hash(dataclasses.replace(RUN, optimizer=real))
    )


def test_hash_ignores_fields_at_their_default():
    spelled = dataclasses.replace(RUN, batch_size=64, seed=0)
    assert names.run_hash(spelled) == names.run_hash(RUN)
    fields = {field.name for field in dataclasses.fields(Run)}
    moved = {
        "batch_size": 32,
        "eval_every": 499,
        "shuffle": False,
        "augment": True,
        "l2": 5e-4,
        "model": "mas_cnn",
    }
    assert fields.issuperset(moved)
    for name, value in moved.items():
        other = dataclasses.replace(RUN, **{name: value})
        assert names.run_hash(other) != names.run_hash(RUN)


def test_group_key_ignores_the_seed_only():
    def key(**changes):
        return names.group_key(dataclasses.replace(RUN, **changes))

    assert key(seed=1) == key(seed=2)
    assert key(shuffle=False) != key()
    assert key(batch_size=65) != key()


def test_a_run_is_described_by_its_optimizer_network_and_seed():
    run = dataclasses.replace(RUN, optimizer=STEPPED, seed=3)
    assert names.name_of(run) == (
        "adam,learning_rate=0.001,b1=0.5,k=7,mu_dtype=bfloat16,nesterov=True on mlp, "
        "seed 3"
    )
