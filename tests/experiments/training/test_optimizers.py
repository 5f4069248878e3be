"""Optimizers by name: what they do, which options they take, schedules."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign
from experiments.errors import ConfigError
from experiments.runs.config import Optimizer, Schedule
from experiments.runs.names import spell
from experiments.training import optimizers
from tests.experiments.messages import assert_one_sentence

PARAMS = {"w": jnp.array([[1.0, -2.0], [3.0, 0.5]]), "b": jnp.array([0.1, -0.1])}
# A sign changes, which the average over many steps does not see.
GRADIENTS = [
    {
        "w": jnp.array([[0.3, -0.2], [2.0, 1e-3]]) * scale,
        "b": jnp.array([-0.7, 0.05]) * scale,
    }
    for scale in (1.0, 0.5, -0.25, 1.5)
]


def make(name, rate=0.01, schedule=None, total_steps=10, **options):
    optimizer = Optimizer(
        name=name,
        learning_rate=rate,
        options=tuple(options.items()),
        schedule=schedule or Schedule(),
    )
    selects_matrices = None
    if name == "adarem_s":
        selects_matrices = lambda p: {"w": True, "b": False}  # noqa: E731
    return optimizers.make(optimizer, total_steps, scale_invariant=selects_matrices)


def trajectory(transformation, **extra):
    """The updates of all steps, as one flat array."""
    params, state, steps = PARAMS, transformation.init(PARAMS), []
    for gradients in GRADIENTS:
        updates, state = transformation.update(gradients, state, params, **extra)
        params = optax.apply_updates(params, updates)
        steps += [updates["w"].ravel(), updates["b"]]
    return np.concatenate(steps)


def test_every_optimizer_of_the_library_has_a_row():
    made = {
        name
        for name, function in vars(optax_sign).items()
        if name in optax_sign.__all__ and inspect.isfunction(function)
        if [*inspect.signature(function).parameters][:1] == ["learning_rate"]
        if not name.startswith("scale_by_")  # a link
    }
    assert {"mas", "svag", "adarem"} <= made
    missing = made - optimizers.OPTIMIZERS.keys()
    assert not missing, f"experiments/training/optimizers.py has no row for {missing}"


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_optimizer_steps_with_its_defaults_and_extra_arguments(name):
    updates = trajectory(make(name), variance=PARAMS, unknown=3)
    assert np.isfinite(updates).all()
    assert np.abs(updates).sum() > 0


@pytest.mark.parametrize(
    ("name", "options", "meant"),
    [
        ("mas", {"beta": 0.1}, optax_sign.mas(0.01, 0.1)),
        ("momentum", {}, optax.sgd(0.01, momentum=0.9)),
        ("momentum", {"momentum": 0.5}, optax.sgd(0.01, momentum=0.5)),
        ("adam", {"b2": 0.9, "eps": 1e-7}, optax.adam(0.01, b2=0.9, eps=1e-7)),
        ("adamw", {"weight_decay": 0.1}, optax.adamw(0.01, weight_decay=0.1)),
        ("rmsprop", {"centered": True}, optax.rmsprop(0.01, centered=True)),
        ("signum", {"beta": 0.0}, optax.signum(0.01, 0.0)),
        (
            "adam_star",
            {"momentum": False, "factor": "erf"},
            optax_sign.adam_star(0.01, momentum=False, factor="erf"),
        ),
    ],
)
def test_options_reach_the_optimizer(name, options, meant):
    np.testing.assert_array_equal(trajectory(make(name, **options)), trajectory(meant))


@pytest.mark.parametrize("word", ["adam,eps=9007199254740992", "sgd,momentum=0"])
def test_whole_numbers_beyond_those_of_jax_are_numbers(word):
    tx = optimizers.make(optimizers.parse(word), 1)
    updates, _ = tx.update(jnp.ones(2), tx.init(jnp.ones(2)), jnp.ones(2))
    assert jnp.isfinite(updates).all()


def test_adagrad_is_that_of_keras():
    # Keras 3: accumulator += g²; update = -lr g / sqrt(accumulator + eps), in float64.
    accumulator, expected = 0.1, []
    for g in (0.3, 0.15, -0.075, 0.45):
        accumulator += g**2
        expected.append(-0.001 * g / np.sqrt(accumulator + 1e-7))
    made = trajectory(make("adagrad", 0.001, initial_accumulator_value=0.1, eps=1e-7))
    # Float32 rounds a handful of operations, each by 6e-8 at most.
    np.testing.assert_allclose(made[::6], expected, rtol=1e-6)
    # An eps as large as the gradients shows that it stands inside the root.
    large = trajectory(make("adagrad", 0.001, eps=0.5))[0]
    np.testing.assert_allclose(large, -0.0003 / np.sqrt(0.1 + 0.09 + 0.5), rtol=1e-6)


def test_a_dtype_is_given_by_name():
    for name in ("mas", "adam"):
        state = make(name, mu_dtype="bfloat16").init(PARAMS)
        assert jnp.dtype("bfloat16") in {leaf.dtype for leaf in jax.tree.leaves(state)}


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("adam", {"beta1": 0.9}, "perhaps 'b1'"),
        ("mas", {"lr": 0.1}, "valid are learning_rate, beta"),
        ("mas", {"betta": 0.9}, "Unknown option of mas 'betta', perhaps 'beta'"),
        ("sgd", {"mask": True}, "valid are learning_rate, momentum, nesterov"),
        ("ssd", {"beta": 0.9}, "valid are learning_rate, weight_decay"),
        (
            "adam",
            {"learning_rate": 0.9},
            "Unknown option of adam 'learning_rate': valid",
        ),
        ("adam", {"b1": 1.0}, "b1 of adam must be in [0, 1), got 1.0"),
        ("adam", {"b2": -0.1}, "[0, 1)"),
        ("adam", {"eps": -1e-8}, "[0, inf)"),
        ("adam", {"eps": None}, "a number"),
        ("adam", {"b1": "0.9"}, "a number"),
        ("adam", {"b1": True}, "a number"),
        ("adam", {"nesterov": 1}, "true or false"),
        ("adam", {"mu_dtype": "bfloat61"}, "floating type"),
        ("adam", {"mu_dtype": "int32"}, "floating type"),
        ("adamw", {"weight_decay": -1.0}, "[0, inf)"),
        ("momentum", {"momentum": 1}, "[0, 1)"),
        ("rmsprop", {"decay": 1.0}, "[0, 1)"),
        ("adarem", {"decay": 1.5}, "[0, 1]"),
        ("signum", {"beta": 1.0}, "[0, 1)"),
        ("mas", {"beta": 1.0}, "[0, 1)"),
        ("mas", {"weight_decay": -0.1}, "[0, inf)"),
        ("adarem", {"decay_every": 10.0}, "an integer"),
        ("adarem", {"decay_every": 0}, "decay_every"),
        ("adarem", {"scope": "world"}, "scope"),
        ("adam_star", {"factor": 3}, "a string"),
        ("m_svag", {"variance": "minibatch"}, "variance"),
    ],
)
def test_bad_option_is_rejected_in_one_sentence(name, options, says):
    with pytest.raises(ConfigError) as error:
        make(name, **options)
    assert says in str(error.value)
    assert name in str(error.value)
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize("value", [None, 0.5])
def test_an_option_that_may_be_null_may_be_either(value):
    assert np.isfinite(trajectory(make("sgd", momentum=value))).all()


def test_adarem_s_asks_for_scale_invariant_weights():
    with pytest.raises(ConfigError, match="'adarem_s' is for networks with norm") as e:
        optimizers.make(Optimizer(name="adarem_s", learning_rate=0.1), 10)
    assert_one_sentence(str(e.value))
    before, after = (
        PARAMS["w"],
        PARAMS["w"] + trajectory(make("adarem_s"))[:4].reshape(2, 2),
    )
    # The selected leaf keeps its norm, here to the round-off of one float32 step.
    np.testing.assert_allclose(
        jnp.linalg.norm(after), jnp.linalg.norm(before), rtol=1e-6
    )


def rates(schedule, total_steps):
    """The rate of every step: plain descent on a gradient of one."""
    transformation = make("sgd", 0.5, schedule, total_steps)
    state, steps = transformation.init(jnp.zeros(())), []
    for _ in range(total_steps):
        update, state = transformation.update(jnp.ones(()), state)
        steps.append(-update)
    return np.array(steps)


def test_schedules_give_each_step_its_rate():
    np.testing.assert_array_equal(rates(Schedule(), 5), np.full(5, 0.5, np.float32))
    # Float32 round-off of rates of size 0.5.
    np.testing.assert_allclose(
        rates(Schedule(name="cosine"), 8),
        0.25 * (1 + np.cos(np.pi * np.arange(8) / 8)),
        atol=1e-7,
    )
    stepped = Schedule(name="step", boundaries=(0.3, 0.6), factor=0.5)
    np.testing.assert_array_equal(
        rates(stepped, 10), [0.5] * 3 + [0.25] * 3 + [0.125] * 4
    )


@pytest.mark.parametrize(
    ("boundaries", "total_steps"), [((0.3, 0.31), 10), ((0.01,), 10), ((0.99,), 10)]
)
def test_a_run_too_short_for_its_boundaries_is_rejected(boundaries, total_steps):
    with pytest.raises(ConfigError, match=f"a run of {total_steps} steps") as error:
        make("sgd", 0.1, Schedule(name="step", boundaries=boundaries), total_steps)
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_optimizer_follows_a_schedule_or_says_that_it_cannot(name):
    schedule = Schedule(name="step", boundaries=(0.5,), factor=1e-6)
    if not optimizers.OPTIMIZERS[name].scheduled:
        with pytest.raises(ConfigError, match=f"'{name}' takes no schedule"):
            make(name, schedule=schedule)
        return
    updates = np.abs(trajectory(make(name, schedule=schedule, total_steps=4)))
    early, late = updates[:12], updates[12:]
    # The rate falls by 1e6; gradients and averages differ by less than 1e3.
    assert late.max() < 1e-3 * early.max()


def test_needs_variance_follows_the_option():
    def needs(name, **options):
        return optimizers.needs_variance(
            Optimizer(name=name, learning_rate=1, options=tuple(options.items()))
        )

    assert needs("m_svag", variance="mini_batch")
    assert not needs("m_svag", variance="moving_average")
    assert not needs("m_svag")
    assert not needs("adam")


@pytest.mark.parametrize("name", ["adamw", "mas"])
def test_hyperballs_keep_the_norm_of_kernels_and_scale_the_rate_of_the_rest(name):
    schedule = Schedule(name="cosine")
    steps = trajectory(make(f"{name}_hyperball", 0.1, schedule))
    plain = trajectory(make(name, 0.01, schedule)).reshape(len(GRADIENTS), -1)
    steps = steps.reshape(len(GRADIENTS), -1)
    # The same rate, as a product of float32 numbers: one rounding.
    np.testing.assert_allclose(steps[:, 4:], plain[:, 4:], rtol=1e-6)
    norms = np.linalg.norm(
        PARAMS["w"].ravel() + np.cumsum(steps[:, :4], axis=0), axis=1
    )
    np.testing.assert_allclose(norms, np.linalg.norm(PARAMS["w"]), rtol=1e-6)
    lengths = np.linalg.norm(steps[:1, :4]) / np.linalg.norm(PARAMS["w"])
    # A step of 0.1 across; along the weights it turns them less.
    assert 0.01 < lengths < 0.101


def test_a_word_is_read():
    read = optimizers.parse(
        "adam,learning_rate=0.01,b1=0.5,nesterov=True,mu_dtype=bfloat16,eps=none,k=7"
    )
    options = (
        *(("b1", 0.5), ("eps", None), ("k", 7)),
        *(("mu_dtype", "bfloat16"), ("nesterov", True)),
    )
    assert read == Optimizer(name="adam", learning_rate=0.01, options=options)
    assert [type(v) for _, v in read.options] == [float, type(None), int, str, bool]


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_a_name_alone_has_a_rate(name):
    assert optimizers.parse(name).learning_rate == optimizers.OPTIMIZERS[name].rate


def test_the_schedule_is_passed_on():
    cosine = Schedule(name="cosine")
    assert optimizers.parse("mas", cosine).schedule == cosine


@pytest.mark.parametrize("word", ["mas", "adam,b1=0.5,mu_dtype=bfloat16,eps=1e-07"])
def test_what_is_spelled_is_read_back(word):
    optimizer = optimizers.parse(word)
    assert optimizers.parse(spell(optimizer)) == optimizer


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("mass", "perhaps 'mas'"),
        ("", "Unknown optimizer ''"),
        ("mas,", "name,option=value"),
        ("mas,beta", "name,option=value"),
        ("mas,beta=", "name,option=value"),
        ("mas,beta=0.5,beta=0.9", "each option once"),
        ("mas,learning_rate=-1", "learning_rate must be > 0, got -1"),
        ("mas,learning_rate=fast", "learning_rate must be a number"),
        ("mas,learning_rate=nan", "learning_rate must be finite"),
    ],
)
def test_a_bad_word_is_rejected_in_one_sentence(word, says):
    with pytest.raises(ConfigError) as error:
        optimizers.parse(word)
    assert says in str(error.value)
    assert_one_sentence(str(error.value))
