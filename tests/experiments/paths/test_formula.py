"""Formulas are read, refused in one sentence, and evaluated as JAX functions."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.paths import formula
from experiments.paths.formula import FormulaError, parse
from tests.experiments.messages import assert_one_sentence

W = (0.7, -1.3)
VALUES = {
    "3*w1**2 + 10*w2**2": 3 * 0.49 + 10 * 1.69,
    " w1 ": 0.7,
    "-w1**2": -0.49,
    "2**-2": 0.25,
    "(2**3)**2": 64.0,
    "w2**3": -2.197,
    "w1**(1/2)": math.sqrt(0.7),
    "2**w2": 2**-1.3,
    "w1 - w2/2 - 1e-1": 0.7 + 0.65 - 0.1,
    "+pi*e": math.pi * math.e,
    "max(w1, w2, 0.5) + min(w1, w2)": 0.7 - 1.3,
    "abs(w2) + sqrt(4) + log(e)": 1.3 + 2 + 1,
    "sin(w1) + cos(w1) + tan(w1)": math.sin(0.7) + math.cos(0.7) + math.tan(0.7),
    "tanh(w1) + exp(w2)": math.tanh(0.7) + math.exp(-1.3),
    "sinh(w1) + cosh(w1) + atan(w2)": math.exp(0.7) + math.atan(-1.3),
    "7": 7.0,
}

REFUSED = {
    "": "empty",
    "   ": "empty",
    "w1+" * 200 + "w1": "characters",
    "+".join(["w1"] * 130): "parts",
    "-" * 100 + "w1": "levels deep",
    "(" * 240 + "w1" + ")" * 240: "cannot be read at character 201",
    "w1 +": "cannot be read at character 4",
    "w1 ** ** 2": "cannot be read at character 7",
    "2w1": "cannot be read",
    "w3": "perhaps 'w2' is meant",
    "x": "no name 'x'",
    "sin": "no name 'sin'",
    "sine(w1)": "perhaps 'sin' is meant",
    "__import__(w1)": "no function '__import__'",
    "w1(2)": "no function 'w1'",
    "sin(w1)(w2)": "calls something that is no function",
    "w1.real": "an attribute",
    "w1.__class__.__mro__": "an attribute",
    "(1).real": "an attribute",
    "w1 < w2": "a comparison",
    "w1 in w2": "a comparison",
    "w1 == w2": "an assignment or a comparison",
    "w1 = 2": "an assignment",
    "(w1 := 2)": "an operator that does not exist",
    "sin(x=w1)": "an assignment",
    "sin(w1, w2)": "takes one argument, got 2",
    "max(w1)": "at least two arguments, got 1",
    "max(*w1, w2)": "a star",
    "'w1'": "a string",
    "f'{w1}'": "a string",
    "lambda: w1": "at character 7",
    "(w for w in w1)": "a comprehension",
    "[w1 for _ in w2]": "a bracket",
    "w1[0]": "a bracket",
    "w1 if w2 else 1": "a condition",
    "w1 and w2": "'and' or 'or'",
    "not w1": "an operator",
    "w1 // 2": "an operator",
    "w1 % 2": "an operator",
    "w1, w2": "a comma",
    "w1^2": "powers are written with **",
    "w1; w2": "an operator",
    "w1\nw2": "the character '\\n'",
    "w1\0": "the character '\\x00'",
    "import os": "cannot be read",
    "ｗ1": "the character 'ｗ'",
    "w１": "the character '１'",
    "w₁": "the character '₁'",
    "w1\u200b": "the character '\\u200b'",
    "\ud800": "the character '\\ud800'",
    "True": "no number",
    "None": "no number",
    "...": "no number",
    "1j": "no number",
    "1e999": "a number above",
    "9" * 400: "a number above",
    "w1**101": "-100 to 100",
    "9**9**9": "-100 to 100",
    "w1**-101": "-100 to 100",
    "w1**(99+99)": "-100 to 100",
    "w1**(1/0)": "-100 to 100",
    "w1**sin(2)": "-100 to 100",
    "w1**2**2": "-100 to 100",
}


@pytest.mark.parametrize("text", VALUES)
def test_value(text):
    read = parse(text)
    assert read.text == text.strip()
    with jax.enable_x64(True):
        # A few float64 roundings and those of the library's functions.
        np.testing.assert_allclose(float(read(*W)), VALUES[text], rtol=1e-13)


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:20]))
def test_refusal_is_one_sentence_that_names_what_is_wrong(text):
    with pytest.raises(FormulaError) as error:
        parse(text)
    assert REFUSED[text] in str(error.value)
    assert_one_sentence(str(error.value))


def test_something_else_than_a_text_is_refused():
    with pytest.raises(FormulaError, match="must be a text, got int"):
        parse(3)  # pyrefly: ignore[bad-argument-type]


def test_every_function_is_named_among_what_is_allowed():
    for name in formula.FUNCTIONS:
        assert name in formula.ALLOWED
        arguments = "w1, w2" if name in formula.AT_LEAST_TWO else "w1"
        assert np.isfinite(float(parse(f"{name}({arguments})")(0.5, 0.25)))


def test_a_formula_is_compiled_differentiated_and_mapped():
    read = parse("w1**2*w2 + exp(w2)")

    def loss(w):
        return read(w[0], w[1])

    points = jnp.array([[1.0, 0.0], [0.0, 0.0], [-2.0, 0.0]])
    slopes = jax.jit(jax.vmap(jax.grad(loss)))(points)
    # (2 w1 w2, w1² + exp w2), in small integers: no rounding, also at 0 and below.
    np.testing.assert_array_equal(slopes, [[0, 2], [0, 1], [0, 5]])


def test_it_takes_the_shape_of_its_arguments_together():
    column, row = jnp.ones((3, 1)), jnp.ones((1, 2))
    assert parse("w1*w2")(column, row).shape == (3, 2)
    assert parse("7")(column, row).shape == (3, 2)


def test_formulas_are_compared_by_their_text():
    assert parse("w1 + 1") == parse(" w1 + 1 ")
    assert hash(parse("w1")) == hash(parse("w1"))
    assert parse("w1") != parse("w2")
