"""Methods are data: complete, in range, explained, and their expressions are true."""

import inspect

import optax
import pytest

import optax_sign
from experiments.errors import ConfigError
from experiments.paths import optimizers
from experiments.paths.optimizers import METHODS
from experiments.paths.surfaces import PRESETS
from tests.catalogue import OPTIMIZERS
from tests.experiments.messages import assert_one_sentence


def numbers_at(method, end):
    return {slider.name: getattr(slider, end) for slider in method.sliders}


def test_every_optimizer_of_the_library_is_there():
    called = {method.call.function for method in METHODS.values()}
    called |= {part.function for m in METHODS.values() for part in m.call.parts}
    wanted = {row.factory for row in OPTIMIZERS}
    wanted |= {optax_sign.hyperball, optax_sign.project_to_sphere}
    wanted |= {optax.sgd, optax.rmsprop, optax.adam, optax.rprop}
    missing = [function.__name__ for function in wanted - called]
    assert not missing, f"experiments/paths/optimizers.py has no row for {missing}"


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize("end", ["low", "high", "default"])
def test_the_optimizer_accepts_both_ends_of_every_slider(key, end):
    method = METHODS[key]
    # As Python numbers, whose ranges optax_sign checks.
    values = method.checked(numbers_at(method, end))
    assert isinstance(method.call.build(values), optax.GradientTransformation)
    for slider in method.sliders:
        assert slider.low <= slider.default <= slider.high
        assert slider.low > 0 or not slider.logarithmic


@pytest.mark.parametrize("key", METHODS)
def test_defaults_are_those_of_the_function(key):
    method = METHODS[key]
    for call in (method.call, *method.call.parts):
        arguments = inspect.signature(call.function).parameters
        for name in (option.name for option in call.options):
            default = arguments[name].default
            if name in ("learning_rate", "momentum") or default is inspect._empty:
                continue
            assert method.checked({})[name] == default


@pytest.mark.parametrize("key", METHODS)
def test_explanation_has_two_sentences(key):
    explanation = METHODS[key].explanation
    first, second = explanation.split(". ")
    assert_one_sentence(f"{first}.")
    assert_one_sentence(second)
    assert len(explanation) < 300


@pytest.mark.parametrize("key", METHODS)
@pytest.mark.parametrize("surface", PRESETS)
def test_starting_rate_is_within_the_slider(key, surface):
    method = METHODS[key]
    values = method.starting_values(PRESETS[surface])
    assert method.checked(values) == values


def test_starting_rates_have_the_measure_of_the_method():
    surface = PRESETS["quadratic"]

    def rate(key):
        return METHODS[key].starting_values(surface)["learning_rate"]

    assert rate("momentum") == surface.rate
    assert rate("mas") == 0.2  # the view is 40 wide
    assert rate("hyperball") == 0.05


def test_expression_of_a_few():
    assert METHODS["adam"].expression({"b1": 0.5, "nesterov": True}) == (
        "optax.adam(learning_rate=0.1, b1=0.5, b2=0.999, eps=1e-08, nesterov=True)"
    )
    assert METHODS["sgd_on_circle"].expression() == (
        "optax.chain(optax.sgd(learning_rate=0.01), optax_sign.project_to_sphere())"
    )
    assert METHODS["adam_star"].expression({"momentum": 0}) == (
        "optax_sign.adam_star(learning_rate=0.1, beta=0.9, momentum=False, "
        "factor='sign')"
    )


@pytest.mark.parametrize(
    ("key", "values", "says"),
    [
        ("adam", {"b1": 1.0}, "b1 of Adam must lie between 0 and 0.999, got 1.0"),
        ("adam", {"b1": float("nan")}, "must lie between 0 and 0.999, got nan"),
        ("adam", {"b1": True}, "must lie between"),
        ("adam", {"b1": "0.5"}, "must lie between"),
        ("adam", {"eps": 10**400}, "must lie between 1e-12 and 1"),
        ("adam", {"b3": 0.5}, "Unknown option of Adam 'b3'"),
        ("adam_star", {"factor": "cosine"}, "must be 'sign' or 'erf', got 'cosine'"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(key, values, says):
    with pytest.raises(ConfigError) as error:
        METHODS[key].checked(values)
    assert says in str(error.value)
    assert_one_sentence(str(error.value))


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="perhaps 'adam'"):
        optimizers.find("adm")
