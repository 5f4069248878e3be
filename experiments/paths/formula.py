"""A loss in w1 and w2 as someone typed it: hostile until a whitelist has passed it.

Nothing is ever given to `eval`: Python's own parser makes a tree of the text, every
node of it must be one of those below, and `simpleeval` walks over what is left with JAX
operators only. The walk happens when JAX traces the loss, so a formula can be compiled,
differentiated and mapped like any other function.
"""

import ast
import dataclasses
import difflib
import functools
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import simpleeval
from jax.typing import ArrayLike

from experiments.errors import ConfigError

MAX_LENGTH = 500  # characters
MAX_NODES = 250  # of the tree: numbers, names, operations and calls
MAX_DEPTH = 40  # of operations and calls inside each other
MAX_NUMBER = 1e30  # float32 ends at 3e38
MAX_POWER = 100  # of a constant exponent, either sign

VARIABLES = ("w1", "w2")
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e}


def _all_of(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda *values: functools.reduce(function, values)


FUNCTIONS: Mapping[str, Callable[..., jax.Array]] = {
    "abs": jnp.abs,
    "atan": jnp.arctan,
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "exp": jnp.exp,
    "log": jnp.log,
    "max": _all_of(jnp.maximum),
    "min": _all_of(jnp.minimum),
    "sin": jnp.sin,
    "sinh": jnp.sinh,
    "sqrt": jnp.sqrt,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
}
AT_LEAST_TWO = ("max", "min")  # arguments; the others take one


def _power(base: ArrayLike, exponent: Any) -> jax.Array:
    base = jnp.asarray(base)
    # Whole exponents by multiplication: exact, and differentiable at 0 and below.
    if isinstance(exponent, float) and exponent.is_integer():
        return base ** int(exponent)
    return jnp.power(base, exponent)


OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: jnp.divide,  # of numbers too, as 1/0 is no error here
    ast.Pow: _power,
    ast.USub: operator.neg,  # of a number a number, which _power looks for
    ast.UAdd: operator.pos,
}

# Of numbers only, which are worked out before JAX sees the formula.
EXPONENTS = {**OPERATORS, ast.Div: operator.truediv}
del EXPONENTS[ast.Pow]

ALLOWED = (
    "a formula is made of numbers, w1, w2, pi, e, + - * / **, parentheses and "
    + ", ".join(FUNCTIONS)
)
# What is recognised by one character, before Python's parser sees any of it.
PARTS: Mapping[str, str] = {
    **dict.fromkeys("\"'`", "a string"),
    **dict.fromkeys("<>!", "a comparison"),
    **dict.fromkeys("[]{}", "a bracket other than ( )"),
    **dict.fromkeys("=", "an assignment or a comparison"),
    **dict.fromkeys("^", "'^', as powers are written with **"),
    **dict.fromkeys("&|~%@;:#\\$?", "an operator that does not exist here"),
}
NODES: Mapping[type[ast.AST], str] = {
    ast.Attribute: "an attribute after a dot",
    ast.Tuple: "a comma outside of a call",
    ast.GeneratorExp: "a comprehension",
    ast.Lambda: "a lambda",
    ast.IfExp: "a condition",
    ast.BoolOp: "'and' or 'or'",
    ast.Compare: "a comparison",
    ast.Starred: "a star in front of an argument",
    ast.Await: "'await'",
    ast.Yield: "'yield'",
    ast.YieldFrom: "'yield'",
}


class FormulaError(ConfigError):
    """A text that is no formula; the message is one sentence for the user."""


def _value(tree: ast.expr, operators: Mapping, functions: Mapping, names: Mapping):
    """What a tree comes to, of none but the nodes that `parse` lets through."""
    walk = simpleeval.SimpleEval(dict(operators), dict(functions), dict(names), {})
    kinds = (ast.Name, ast.UnaryOp, ast.BinOp, ast.Call)
    walk.nodes = {kind: walk.nodes[kind] for kind in kinds}
    # Floats, as the arithmetic of Python's integers has no end.
    walk.nodes[ast.Constant] = lambda node: float(node.value)
    return walk.eval("", previously_parsed=tree)


@dataclasses.dataclass(frozen=True)
class Formula:
    """A loss of two weights; made by `parse`, compared and hashed by its text.

    Attributes:
      text: as it was typed, without the spaces around it.
      tree: what the whitelist has passed.
    """

    text: str
    tree: ast.expr = dataclasses.field(compare=False, repr=False)

    def __call__(self, w1: ArrayLike, w2: ArrayLike) -> jax.Array:
        """Its value, shape of `w1` and `w2` together; traceable."""
        w1, w2 = jnp.asarray(w1, float), jnp.asarray(w2, float)
        names = {"w1": w1, "w2": w2, **CONSTANTS}
        value = _value(self.tree, OPERATORS, FUNCTIONS, names)
        shape = jnp.broadcast_shapes(w1.shape, w2.shape)
        return jnp.broadcast_to(jnp.asarray(value, float), shape)


def parse(text: str) -> Formula:
    """Reads a formula such as `3*w1**2 + 10*w2**2`; executes nothing.

    Raises:
      FormulaError: the text is no formula, or a longer or deeper one than is allowed.
    """
    if not isinstance(text, str):
        raise FormulaError(f"A formula must be a text, got {type(text).__name__}.")
    text = text.strip()
    if not text:
        raise FormulaError(f"The formula is empty: {ALLOWED}.")
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            f"The formula has {len(text)} characters, and {MAX_LENGTH} are allowed."
        )
    for place, character in enumerate(text, start=1):
        if character in " ().,_+-*/" or (character.isascii() and character.isalnum()):
            continue
        what = PARTS.get(character, f"the character {character!r}")
        raise FormulaError(
            f"The formula has {what} at character {place}, but {ALLOWED}."
        )
    tree = _tree(text)
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.expr)]
    if len(nodes) > MAX_NODES:
        raise FormulaError(
            f"The formula has {len(nodes)} parts, and {MAX_NODES} are allowed."
        )
    _check(tree, depth=1)
    return Formula(text, tree)


def _tree(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser, about odd numbers
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        place = min(error.offset or len(text), len(text))  # 0: at its end
        raise FormulaError(
            f"The formula cannot be read at character {place}: {ALLOWED}."
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise FormulaError("The formula is nested too deeply to be read.") from None


def _check(node: ast.expr, depth: int) -> None:
    """Raises unless `node` and all below it are on the whitelist."""
    if depth > MAX_DEPTH:
        raise FormulaError(
            f"The formula is nested more than {MAX_DEPTH} levels deep, which is the "
            f"most that is allowed."
        )
    if isinstance(node, ast.Constant):
        _check_number(node)
    elif isinstance(node, ast.Name):
        _check_name("name", node.id, (*VARIABLES, *CONSTANTS))
    elif isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        _check(node.operand, depth + 1)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        _check(node.left, depth + 1)
        _check(node.right, depth + 1)
        if isinstance(node.op, ast.Pow):
            _check_exponent(node.right)
    elif isinstance(node, ast.Call):
        _check_call(node)
        for argument in node.args:
            _check(argument, depth + 1)
    else:
        what = NODES.get(type(node), "something")
        if isinstance(node, ast.UnaryOp | ast.BinOp):
            what = "an operator that does not exist here"
        raise FormulaError(
            f"The formula has {what} at character {node.col_offset + 1}, but {ALLOWED}."
        )


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        raise FormulaError(
            f"The formula calls something that is no function at character "
            f"{node.col_offset + 1}, but {ALLOWED}."
        )
    name = node.func.id
    _check_name("function", name, FUNCTIONS)
    if node.keywords:
        raise FormulaError(f"The function {name} takes no named arguments here.")
    given, several = len(node.args), name in AT_LEAST_TWO
    if given < 2 if several else given != 1:
        wanted = "at least two arguments" if several else "one argument"
        raise FormulaError(f"The function {name} takes {wanted}, got {given}.")


def _check_name(what: str, name: str, valid: Any) -> None:
    if name in valid:
        return
    near = difflib.get_close_matches(name[:50], valid, n=1, cutoff=0.5)
    hint = f", perhaps {near[0]!r} is meant" if near else ""
    raise FormulaError(f"There is no {what} {name[:50]!r}{hint}: {ALLOWED}.")


def _check_number(node: ast.Constant) -> None:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise FormulaError(
            f"The formula has {node.value!r} at character {node.col_offset + 1}, "
            f"which is no number: {ALLOWED}."
        )
    if not node.value <= MAX_NUMBER:
        raise FormulaError(
            f"The formula has a number above {MAX_NUMBER:g} at character "
            f"{node.col_offset + 1}, which is the largest that is allowed."
        )


def _check_exponent(node: ast.expr) -> None:
    """Raises where an exponent without w1 and w2 is too large, or no plain number."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    if names & set(VARIABLES):
        return
    try:
        value = _value(node, EXPONENTS, {}, CONSTANTS)
    except (simpleeval.InvalidExpression, ZeroDivisionError):
        value = math.nan
    if not abs(value) <= MAX_POWER:
        raise FormulaError(
            f"The exponent at character {node.col_offset + 1} must contain w1 or w2, "
            f"or be a number or a fraction from -{MAX_POWER} to {MAX_POWER}."
        )
