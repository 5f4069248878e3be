"""What is public is documented, has its row in the catalogue and its reference."""

import doctest
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys

import jax.numpy as jnp
import optax
import pytest

import optax_sign
from optax_sign import nnx, theory
from optax_sign._chain import chain_with_decay

from .catalogue import OPTIMIZERS, ROWS

FUNCTIONS = {
    **{
        name: getattr(optax_sign, name)
        for name in optax_sign.__all__
        if inspect.isfunction(getattr(optax_sign, name))
    },
    **{f"theory.{name}": getattr(theory, name) for name in theory.__all__},
    **{f"nnx.{name}": getattr(nnx, name) for name in nnx.__all__},
}
CLASSES = [
    name for name in optax_sign.__all__ if inspect.isclass(getattr(optax_sign, name))
]


def makes_a_transformation(function):
    made = inspect.signature(function).return_annotation
    return made is optax.GradientTransformationExtraArgs


# What accumulates for an optimizer is what optax.MultiSteps is, with tests of its own.
TRANSFORMATIONS = [
    name
    for name, function in FUNCTIONS.items()
    if makes_a_transformation(function) and name != "multi_steps"
]
# What ends in `learning_rate` and `mask` is an optimizer; the others are links.
READY = [
    name
    for name in TRANSFORMATIONS
    if {"learning_rate", "mask"} <= set(inspect.signature(FUNCTIONS[name]).parameters)
]


def public(module):
    """Names without underscore that the module defines or imports from our package."""

    def ours(value):
        home = getattr(value, "__module__", "")
        return value is theory or home.startswith("optax_sign")

    return {n for n, v in vars(module).items() if not n.startswith("_") and ours(v)}


def test_all_is_complete_and_without_repetition():
    for module in (optax_sign, theory, nnx):
        assert sorted(module.__all__) == sorted(public(module))


@pytest.mark.parametrize(
    "file", [file.name for file in pkgutil.iter_modules(optax_sign.__path__)]
)
def test_every_optimizer_and_link_is_exported(file):
    module = importlib.import_module(f"optax_sign.{file}")
    for name, function in inspect.getmembers(module, inspect.isfunction):
        own = (
            function.__module__ == module.__name__ and function is not chain_with_decay
        )
        if own and makes_a_transformation(function):
            assert name in optax_sign.__all__, (
                f"{name} of optax_sign/{file}.py is not exported in __init__.py"
            )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_has_a_docstring_with_example_and_source(name):
    text = inspect.getdoc(FUNCTIONS[name])
    examples = doctest.DocTestParser().get_examples(text)
    assert any(example.want for example in examples), f"{name} shows no example"
    assert re.search(r"^Source: \S", text, re.MULTILINE), f"{name} names no source"
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    missing = [p for p in parameters if not re.search(rf"^  \**{p}: ", text, re.M)]
    assert not missing, f"{name} does not describe {missing}"
    assert re.search(r"^Returns:\n  \S", text, re.MULTILINE), f"{name} returns nothing"


@pytest.mark.parametrize("name", CLASSES)
def test_class_says_whose_it_is_and_comments_every_field(name):
    cls = getattr(optax_sign, name)
    owner = re.search(r":func:`(\w+)`", inspect.getdoc(cls))
    assert owner and owner[1] in FUNCTIONS, f"{name} names no public function"
    source = inspect.getsource(cls)
    bare = [
        f for f in cls._fields if not re.search(rf"^    {f}: .*  # \S", source, re.M)
    ]
    assert not bare, f"{name} does not describe {bare}"


@pytest.mark.parametrize("name", [name for name in CLASSES if name.endswith("State")])
def test_state_counts_its_steps_first(name):
    cls = getattr(optax_sign, name)
    assert cls._fields[0] == "count"
    owner = re.search(r":func:`(\w+)`", inspect.getdoc(cls))[1]
    row = next(row for row in ROWS if row.public_name == owner)
    state = row.make().init({"w": jnp.ones([2, 2])})
    assert isinstance(state, cls)
    assert (state.count.shape, state.count.dtype) == ((), jnp.int32)


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_optimizer_or_link_has_a_row_in_the_catalogue(name):
    rows = [row for row in ROWS if row.public_name == name]
    assert rows, f"{name} has no row in tests/catalogue.py"
    assert {row.link for row in rows} == {name not in READY}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_optimizer_or_link_has_a_reference(name):
    for row in ROWS:
        if row.public_name == name:
            assert row.reference.__module__.startswith("tests.reference.")
            if not row.link:
                assert row.reference.__name__ == name, f"{name} has no reference"


def test_rows_have_names_of_their_own_and_are_public():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert {row.public_name for row in ROWS} == set(TRANSFORMATIONS)
    assert [row for row in ROWS if not row.link] == OPTIMIZERS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_docstring_states_the_bytes(row):
    text = inspect.getdoc(row.factory)
    stated = re.search(r"^State: (.*?)\.$", text, re.M | re.S)
    assert stated, f"{row.public_name} does not state its bytes"
    if "one number a sphere" not in stated[1]:
        first, *variants = map(int, re.findall(r"\b\d+\b", stated[1]))
        special = row.name != row.public_name  # its bytes may follow the others
        assert row.state_bytes[0] in ([first, *variants] if special else [first])


def test_import_loads_nothing_but_jax_and_optax():
    program = (
        "import json, sys, jax, optax\n"
        "before = set(sys.modules)\n"
        "import optax_sign\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    packages = {name.split(".")[0] for name in json.loads(output)}
    assert "optax_sign" in packages
    assert packages <= {"optax_sign", "optax", "jax", *sys.stdlib_module_names}
