"""Twelve thousand hostile and innocent texts: none is executed, none takes long."""

import builtins
import contextlib
import math
import os
import random
import time

import jax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.paths.formula import Formula, FormulaError, parse
from tests.experiments.messages import assert_one_sentence

COUNT = 4000  # of each of three kinds
SLOWEST = 1.0  # seconds of one text; the usual one takes 1e-4
ONLY_TREE = 0x400  # of `compile`: parse, and make no code

UNARY = ("sin", "cos", "exp", "tanh", "abs", "atan")

HOSTILE = (
    *("fuse()", "w1.fuse()", "(lambda: fuse())()", "[fuse() for _ in (1, 2)]"),
    *("(fuse() for _ in w1)", "{fuse(): 1}", "f'{fuse()}'", "(x := fuse())"),
    *("__import__('os').system('true')", "eval('fuse()')", "exec('fuse()')"),
    *("().__class__.__base__.__subclasses__()", "w1.__globals__", "sin.__self__"),
    *("getattr(w1, 'fuse')()", "breakpoint()", "open('x', 'w')", "sin(*fuse())"),
    *("9**9**9**9", "w1**10**10", "1e999", "0x" + "f" * 99, "1" * 5000, "10**-10**9"),
    *("max(**{'a': fuse()})", "fuse() if fuse() else fuse()", "await fuse()"),
    *("yield fuse()", "print(1)", "w1 == fuse()", "fuse and fuse()", "-" * 5000),
    *("(" * 3000, "((" * 90 + "w1" + "))" * 90, "[" * 150 + "]" * 150),
    *(
        "ｆuse()",
        "ｅval('1')",
        "ｗ１",
        "w1\u202e+2",
        "\u0332w1",
        "w1\x00fuse()",
        "\ufeffw1",
    ),
    *("#", "w1 # fuse()", "w1\\\nfuse()", "'" * 3, "\ud800", "1__0", "1_0", "0b1"),
)
PIECES = (
    *("w1", "w2", "pi", "e", "2", "0.5", "1e3", ".", ",", "(", ")", "()", " ", "**"),
    *("+", "-", "*", "/", "sin", "max(", "fuse", "__", "lambda", ":", "for", "in", "="),
    *("[", "]", "{", "}", "'", '"', "\\", "@", "^", "é", "Ω", "２", "\t", "\n", "if"),
    *("else", "not", "or", "yield", "1j", "0x", "9" * 30, "**9", "1if", "...", ":="),
)


def innocent(source, depth=4):
    """A formula of the grammar, without what leaves the real numbers."""
    kind = source.randrange(7) if depth else 0
    if kind <= 1:
        return source.choice(["w1", "w2", "pi", "e", "2", "0.5", "1e-1", "3."])
    if kind == 2:
        return f"{source.choice(UNARY)}({innocent(source, depth - 1)})"
    if kind == 3:
        return f"({innocent(source, depth - 1)})**{source.choice('23')}"
    if kind == 4:
        return f"max({innocent(source, depth - 1)}, {innocent(source, depth - 1)})"
    left, right = (innocent(source, depth - 1) for _ in range(2))
    if kind == 5:
        return f"-{left}" if source.random() < 0.5 else f"({left})/(2 + ({right})**2)"
    return f"({left} {source.choice('+-*')} {right})"


def mutated(source, text):
    """The text with a few pieces put in, taken out or doubled."""
    for _ in range(source.randint(1, 4)):
        place = source.randint(0, len(text))
        end = min(len(text), place + source.randint(0, 3))
        middle = source.choice(PIECES) * source.choice((0, 1, 1, 1, 2, 40))
        text = text[:place] + middle + text[end:]
    return text


def texts():
    source = random.Random(5)
    for _ in range(COUNT):
        yield innocent(source)
        yield mutated(source, innocent(source))
        start = source.choice([*HOSTILE, "w1 + {}", "sin({})", "({})**2", "w1**{}"])
        filled = start.replace("{}", source.choice(HOSTILE), 1)
        yield filled if source.random() < 0.3 else mutated(source, filled)


@contextlib.contextmanager
def watched():
    """What would have been executed inside, by name."""
    events = []

    def sentinel(name):
        def record(*args, **kwargs):
            events.append(name)
            raise AssertionError(f"{name} was called")

        return record

    compile_, import_ = builtins.compile, builtins.__import__

    def only_by_ast(name, *args, **kwargs):
        if name == "collections":  # which `ast.walk` asks for whenever it runs
            return import_(name, *args, **kwargs)
        return sentinel("import")()

    def only_trees(source, filename, mode, flags=0, *args, **kwargs):
        if not flags & ONLY_TREE:
            events.append("compile")
        return compile_(source, filename, mode, flags, *args, **kwargs)

    names = ("eval", "exec", "open", "breakpoint", "input")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "system", sentinel("os.system"))
        patch.setattr(builtins, "fuse", sentinel("fuse"), raising=False)
        patch.setattr(builtins, "compile", only_trees)
        for name in names:
            patch.setattr(builtins, name, sentinel(name))
        # Last, as the patching itself imports.
        patch.setattr(builtins, "__import__", only_by_ast)
        yield events


def outcome(text):
    """The formula, or None after a refusal in one sentence."""
    try:
        read = parse(text)
    except FormulaError as error:
        assert_one_sentence(str(error))
        assert len(str(error)) < 600
        return None
    assert isinstance(read, Formula)
    return read


def test_nothing_is_executed_and_nothing_hangs():
    accepted = total = 0
    slowest = 0.0
    hostile = list(texts())
    with watched() as executed:
        for text in hostile:
            begin = time.process_time()
            accepted += outcome(text) is not None
            slowest = max(slowest, time.process_time() - begin)
            total += 1
    assert executed == []
    assert slowest < SLOWEST
    assert total == 3 * COUNT
    # All that follow the grammar, unless too long; and few of the others.
    assert 0.9 * COUNT < accepted < 2 * COUNT


def test_the_sentinels_would_notice():
    with watched() as executed:
        with pytest.raises(AssertionError):
            builtins.eval("1")
        builtins.compile("1", "", "eval")
    assert executed == ["eval", "compile"]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_hostile_texts_are_no_formulas_or_mere_numbers(text):
    with watched() as executed:
        read = outcome(text)
    assert executed == []
    assert read is None or read.text.strip("()") in ("w1", "1_0", "0b1")


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=60) | st.text(alphabet="w12+-*/(). ,esin", max_size=60))
def test_any_text_is_a_formula_or_refused(text):
    outcome(text)


def test_innocent_formulas_have_the_value_that_python_gives_them():
    # These are made by the test itself, so Python may evaluate them.
    names = {name: getattr(math, name) for name in UNARY if name != "abs"}
    names |= {"pi": math.pi, "e": math.e, "w1": 0.3, "w2": -0.8}
    source, compared = random.Random(7), 0
    with jax.enable_x64(True):
        for _ in range(60):
            text = innocent(source, depth=3)
            try:
                expected = float(eval(text, dict(names)))
            except OverflowError:
                continue
            # Two mathematical libraries, and a few dozen roundings that may cancel.
            value = float(parse(text)(0.3, -0.8))
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), text
            compared += 1
    assert compared > 50
