"""Every argument of every public function: what it allows, and what it says if not."""

import inspect
import math
import re

import jax
import jax.numpy as jnp
import optax
import pytest

import optax_sign

from .catalogue import ROWS
from .ranges import COUNT, RANGES, WHOLE, Range
from .steps import GRADIENTS, PARAMS, VARIANCES, extra

FACTORIES = {row.public_name: row for row in ROWS}


def of_rows(name):
    """What the rows of an optimizer or link say of its arguments; None: anything."""
    ranges = dict(RANGES)
    for row in ROWS:
        if row.public_name == name:
            ranges.update(row.ranges)
    arguments = inspect.signature(FACTORIES[name].factory).parameters
    return {argument: ranges.get(argument, "missing") for argument in arguments}


DECLARED = {
    **{name: of_rows(name) for name in FACTORIES},
    "oscillation": {"state": None},
    "value_and_grad_and_variance": {
        **dict.fromkeys(["loss_fn", "in_axes", "has_aux"]),
        "chunk_size": COUNT,
    },
    "multi_steps": {
        "optimizer": RANGES["inner"],
        "every_k_schedule": COUNT,
        "should_skip_update_fn": None,
    },
    "apply_updates_stochastically": {
        **dict.fromkeys(["params", "updates"]),
        **dict.fromkeys(["step", "seed"], WHOLE),
    },
    "vanishing_steps": dict.fromkeys(["params", "updates"]),
    "scale_invariant_mask": {
        **dict.fromkeys(["loss_fn", "params", "args", "key"]),
        "samples": COUNT._replace(allowed=[1, 5]),  # memory grows with them
        "tolerance": Range("(0, 1)", [1e-3], [0, 1, -1e-3, math.nan]),
    },
}
CHECKED = [
    (name, argument, limits)
    for name, arguments in DECLARED.items()
    for argument, limits in arguments.items()
    if isinstance(limits, Range)
]


def call(name, **changes):
    """Call a public function with valid arguments but for the changes."""
    if name in FACTORIES:
        return FACTORIES[name].make(**changes)
    if name == "multi_steps":
        return optax_sign.multi_steps(
            **{"optimizer": optax.sgd(0.1), "every_k_schedule": 2, **changes}
        )
    if name == "apply_updates_stochastically":
        one = jnp.ones(1)
        return optax_sign.apply_updates_stochastically(
            one, one, **{"step": 0, **changes}
        )
    if name == "value_and_grad_and_variance":
        return optax_sign.value_and_grad_and_variance(jnp.vdot, **changes)
    return optax_sign.scale_invariant_mask(lambda w: w, jnp.ones(()), **changes)


def cases(kind):
    return [
        pytest.param(*case, value, limits.said, id="-".join([*case, str(shown)]))
        for *case, limits in CHECKED
        for place, value in enumerate(getattr(limits, kind))
        # What is no plain value says where in memory it is, which differs each time.
        for shown in [place if isinstance(value, tuple) or callable(value) else value]
    ]


@pytest.mark.parametrize(
    "name",
    [n for n in optax_sign.__all__ if inspect.isfunction(getattr(optax_sign, n))],
)
def test_every_argument_is_declared(name):
    assert name in DECLARED, f"{name} has no row in tests/catalogue.py"
    missing = [a for a, limits in DECLARED[name].items() if limits == "missing"]
    assert not missing, (
        f"{name}: tests/ranges.py has no argument {', '.join(missing)}, so the row in "
        "tests/catalogue.py must say in `ranges` what it allows"
    )
    arguments = inspect.signature(getattr(optax_sign, name)).parameters
    assert set(DECLARED[name]) == set(arguments)


@pytest.mark.parametrize(("name", "argument", "value", "allowed"), cases("allowed"))
def test_allowed(name, argument, value, allowed):
    call(name, **{argument: value})


# For what may be the doing of inject_hyperparams.
REMEDY = ": under optax.inject_hyperparams name it in static_args"


@pytest.mark.parametrize(("name", "argument", "value", "allowed"), cases("refused"))
def test_refused_in_one_sentence(name, argument, value, allowed):
    with pytest.raises(ValueError) as error:
        call(name, **{argument: value})
    sentence = f"{argument} must (lie in|be) {re.escape(allowed)}, got "
    sentence += re.escape(repr(value)) + f"({REMEDY})?" + r"\."
    assert re.fullmatch(sentence, str(error.value))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (name, argument)
        for name, argument, limits in CHECKED
        if name in FACTORIES and isinstance(limits.allowed[0], int | float)
    ],
)
def test_a_tracer_is_never_refused(name, argument):
    row = FACTORIES[name]

    def step(value):
        tx = row.make(**{argument: value})
        more = extra(row, VARIANCES[0])
        return tx.update(GRADIENTS[0], tx.init(PARAMS), PARAMS, **more)

    for value in (-1.0, jnp.inf):
        jax.eval_shape(step, value)


def test_an_array_is_checked_like_the_number_it_holds():
    with pytest.raises(ValueError, match=r"^learning_rate must lie .*, got Array\("):
        optax_sign.mas(jnp.array(-0.1))
    # What 0.999 is in bfloat16.
    with pytest.raises(ValueError, match=r"^beta must lie in \[0, 1\), got Array\("):
        optax_sign.mas(0.1, jnp.array(0.999, "bfloat16"))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("value_and_grad_and_variance", "chunk_size"),
        ("multi_steps", "every_k_schedule"),
        ("scale_invariant_mask", "samples"),
        ("apply_updates_stochastically", "step"),
    ],
)
def test_what_is_counted_is_whole(name, argument):
    call(name, **{argument: 4.0})
    with pytest.raises(ValueError, match=rf"{argument} must be a whole .* got 2\.5\."):
        call(name, **{argument: 2.5})


def test_a_direction_with_state_is_refused():
    link = optax_sign.scale_by_variance_adaptation(optax.trace(0.9))
    sentence = r"direction must be a link without state, .* got one with TraceState\."
    with pytest.raises(ValueError, match=sentence):
        link.init(PARAMS)


@pytest.mark.parametrize("name", ["adarem_s", "scale_by_sphere_learning_rate"])
def test_on_a_sphere_a_step_may_not_decay_all(name):
    sentence = r"weight_decay must lie in \[0, 4\), got 4.0\."
    with pytest.raises(ValueError, match=sentence):
        call(name, learning_rate=0.25, weight_decay=4.0)
    call(name, learning_rate=lambda step: 0.25, weight_decay=4.0)
