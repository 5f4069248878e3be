"""The configuration of a run: what is rejected and how, and the hash that names it."""

import dataclasses
import json
import math

import pytest
import tyro

from experiments.errors import ConfigError
from experiments.runs import config
from experiments.runs.config import Optimizer, Run, Schedule
from tests.experiments.messages import assert_one_sentence

MAS = Optimizer(name="mas", learning_rate=2e-4, options=(("beta", 0.95),))
RUN = Run(optimizer=MAS, epochs=5)
STEPPED = Optimizer(
    name="adam",
    learning_rate=1e-3,
    options=(("mu_dtype", "bfloat16"), ("b1", 0.5), ("nesterov", True), ("k", 7)),
    schedule=Schedule(name="step", boundaries=(0.3, 0.6), factor=0.2),
)

# field of a Run, value, what the message must say beside the field's name
BAD_RUNS = [
    ("dataset", None, "must be a name, got none"),
    ("model", 3, "must be a name, got 3"),
    ("batch_size", 0, ">= 1, got 0"),
    ("batch_size", 64.0, "integer"),
    ("batch_size", True, "integer"),
    ("epochs", 0, ">= 1, got 0"),
    ("epochs", -5, "got -5"),
    ("epochs", None, "exactly one"),
    ("steps", 100, "exactly one"),
    ("shuffle", 1, "true or false"),
    ("augment", 1, "true or false"),
    ("l2", -1e-4, ">= 0"),
    ("l2", math.nan, "finite"),
    ("l2", "0.1", "number"),
    ("eval_every", 0, ">= 1, got 0"),
    ("seed", -1, ">= 0, got -1"),
    ("seed", False, "integer"),
    ("seed", 2**32, "at most 4294967295"),
]
BAD_OPTIMIZERS = [
    ("name", ["adam"], "optimizer must be a name, got ['adam']"),
    ("learning_rate", 0, "> 0, got 0"),
    ("learning_rate", -1e-3, "> 0, got -0.001"),
    ("learning_rate", math.nan, "finite"),
    ("learning_rate", math.inf, "finite"),
    ("learning_rate", 2**1024, "finite"),
    ("learning_rate", True, "number"),
    ("learning_rate", "0.1", "number"),
    ("options", (("beta", math.nan),), "finite"),
    ("options", (("beta", [1]),), "got [1]"),
    ("options", (("beta", 0.9), ("beta", 0.8)), "distinct"),
    ("options", (("b-1", 0.9),), "got 'b-1'"),
    ("options", {"b1": 0.9}, "(name, value) pairs, got {'b1': 0.9}"),
    ("options", (("beta", 10**400),), "at most 2**53"),
]
BAD_SCHEDULES = [
    ({"name": "cosin"}, "perhaps 'cosine'"),
    ({"name": "step"}, "needed by 'step'"),
    ({"name": "cosine", "boundaries": (0.5,)}, "no other schedule"),
    ({"name": "cosine", "factor": 0.5}, "belongs to 'step'"),
    ({"name": "step", "boundaries": 0.5}, "list"),
    ({"name": "step", "boundaries": (0.0, 0.5)}, "strictly between"),
    ({"name": "step", "boundaries": (0.5, 1.0)}, "strictly between"),
    ({"name": "step", "boundaries": (0.5, 0.5)}, "increase"),
    ({"name": "step", "boundaries": (0.5, math.nan)}, "finite"),
    ({"name": "step", "boundaries": (0.5,), "factor": 0.0}, "> 0"),
    ({"name": "step", "boundaries": (0.5,), "factor": "x"}, "number"),
]


@pytest.mark.parametrize(("field", "value", "says"), BAD_RUNS)
def test_bad_run_is_rejected_in_one_sentence(field, value, says):
    with pytest.raises(ConfigError) as error:
        dataclasses.replace(RUN, **{field: value})
    assert field in str(error.value)
    assert says in str(error.value).lower()
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize(("field", "value", "says"), BAD_OPTIMIZERS)
def test_bad_optimizer_is_rejected_in_one_sentence(field, value, says):
    with pytest.raises(ConfigError) as error:
        dataclasses.replace(MAS, **{field: value})
    assert says in str(error.value).lower()
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize(("fields", "says"), BAD_SCHEDULES)
def test_bad_schedule_is_rejected_in_one_sentence(fields, says):
    with pytest.raises(ConfigError) as error:
        Schedule(**fields)
    assert "schedule" in str(error.value)
    assert says in str(error.value)
    assert_one_sentence(str(error.value))


def test_fields_are_keyword_only_and_frozen():
    with pytest.raises(TypeError):
        Schedule("cosine")
    with pytest.raises(dataclasses.FrozenInstanceError):
        RUN.seed = 1


def test_total_steps_counts_full_batches():
    assert config.total_steps(RUN, train_size=60_000) == 5 * 937
    assert config.total_steps(RUN, train_size=64) == 5
    in_steps = dataclasses.replace(RUN, epochs=None, steps=6000)
    assert config.total_steps(in_steps, train_size=60_000) == 6000


@pytest.mark.parametrize("length", [{"epochs": 1}, {"epochs": None, "steps": 10}])
def test_batch_larger_than_the_set_is_rejected(length):
    run = dataclasses.replace(RUN, batch_size=101, **length)
    with pytest.raises(ConfigError, match="batch_size must be at most 100.*got 101"):
        config.total_steps(run, train_size=100)


@pytest.mark.parametrize(
    "run",
    [RUN, Run(optimizer=STEPPED, steps=7, shuffle=False, seed=3, batch_size=8, l2=0.1)],
)
def test_json_round_trip(run):
    assert config.from_json(json.loads(json.dumps(config.to_json(run)))) == run


def test_json_keeps_numbers_apart_from_booleans():
    optimizer = dataclasses.replace(MAS, options=(("a", 1), ("b", True), ("c", 1.0)))
    tree = json.loads(json.dumps(config.to_json(Run(optimizer=optimizer, steps=1))))
    options = dict(config.from_json(tree).optimizer.options)
    assert [type(options[name]) for name in "abc"] == [int, bool, float]


def changed(*path, value):
    """The JSON of RUN with the value at a path set."""
    tree = config.to_json(RUN)
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return tree


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (changed("batchsize", value=3), "key of the run 'batchsize', perhaps 'batch_"),
        (changed("optimizer", "option", value={}), "perhaps 'options'"),
        (changed("optimizer", "schedule", "facto", value=1), "perhaps 'factor'"),
        (changed("optimizer", value="mas"), "optimizer must be a JSON object"),
        (changed("optimizer", "schedule", value=None), "schedule must be a JSON"),
        (changed("optimizer", "options", value=[1]), "options must be a JSON object"),
        ({}, "'optimizer' is missing from the run"),
        (changed("optimizer", value={"name": "mas"}), "'learning_rate' is missing"),
        (None, "run must be a JSON object"),
    ],
)
def test_bad_json_is_rejected_in_one_sentence(tree, says):
    with pytest.raises(ConfigError) as error:
        config.from_json(tree)
    assert says in str(error.value)
    assert_one_sentence(str(error.value))


def test_json_may_leave_defaults_out():
    tree = {"optimizer": {"name": "mas", "learning_rate": 2e-4}, "steps": 3}
    assert config.from_json(tree) == Run(
        optimizer=Optimizer(name="mas", learning_rate=2e-4), steps=3
    )


def test_a_command_line_can_hold_every_setting():
    arguments = (
        "--epochs 5 --optimizer.name adam --optimizer.learning-rate 0.001 "
        "--optimizer.options b1 0.5 nesterov True mu_dtype bfloat16 k 7 "
        "--optimizer.schedule.name step --optimizer.schedule.boundaries 0.3 0.6 "
        "--optimizer.schedule.factor 0.2"
    )
    run = tyro.cli(Run, args=arguments.split())
    assert run == Run(optimizer=STEPPED, epochs=5)
    types = [type(value) for _, value in run.optimizer.options]
    assert types == [float, int, str, bool]
