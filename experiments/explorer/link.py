"""A view as the query of its address, and back.

    surface=ravine&start=-8.0,2.0&noise=0.0&steps=100&seed=0
      &optimizer=adam,learning_rate=0.1,b1=0.9,…,show=m v&optimizer=…

An own formula is `formula=…` with `view=` its bounds, in the place of `surface`.
Addresses come from anywhere: what cannot be read is replaced by what a first view would
show, and told in a sentence.
"""

import contextlib
import dataclasses
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from experiments.errors import ConfigError, unknown
from experiments.explorer import view as state
from experiments.explorer.view import Shown, View
from experiments.paths import optimizers as methods
from experiments.paths.tunable import Value

MAX_QUERY = 8000  # characters
MAX_NOTICES = 5
MAX_WORDS = 20  # of an optimizer
FIELDS = ("surface", "formula", "view", "start", "noise", "steps", "seed", "optimizer")


def to_query(view: View) -> str:
    """The query of the address that shows this view; `from_query` reads it back."""
    if view.surface is None:
        pairs = [("formula", view.formula)]
        pairs += [("view", _joined(*view.bounds[0], *view.bounds[1]))]
    else:
        pairs = [("surface", view.surface)]
    pairs += [("start", _joined(*view.start)), ("noise", _joined(view.noise))]
    pairs += [("steps", str(view.steps)), ("seed", str(view.seed))]
    for shown in view.optimizers:
        words = [shown.key, *(f"{name}={value}" for name, value in shown.values)]
        words += [f"show={' '.join(shown.components)}"] if shown.components else []
        pairs += [("optimizer", ",".join(words))]
    if not view.optimizers:
        pairs += [("optimizer", "")]
    return urllib.parse.urlencode(pairs)


def from_query(query: str) -> tuple[View, tuple[str, ...]]:
    """Reads the query of an address, whatever it is.

    Returns:
      A view that can be shown, and a sentence for each of the first things in the query
      that it does not show.
    """
    if len(query) > MAX_QUERY:
        return state.of_preset("quadratic"), (
            f"The address has {len(query)} characters, and {MAX_QUERY} are read, so "
            f"this is the first view.",
        )
    notices: list[str] = []
    fields: dict[str, str] = {}
    optimizers: list[str] = []
    for name, text in urllib.parse.parse_qsl(
        query.removeprefix("?"), keep_blank_values=True
    ):
        if name == "optimizer":
            optimizers.append(text)
        elif name in FIELDS:
            fields[name] = text
        else:
            notices.append(str(unknown("field of the address", name[:50], FIELDS)))

    view = state.of_preset("quadratic")
    with _noting(notices):
        view = _first_view(fields)
    for name, read in _READERS.items():
        if name in fields:
            with _noting(notices):
                view = dataclasses.replace(view, **{name: read(name, fields[name])})
    if optimizers:
        named = [text for text in optimizers if text]
        if len(named) > state.MAX_OPTIMIZERS:
            notices.append(
                f"The address names {len(named)} optimizers, of which the first "
                f"{state.MAX_OPTIMIZERS} are shown."
            )
        shown: list[Shown] = []
        for text in named[: state.MAX_OPTIMIZERS]:
            with _noting(notices):
                shown.append(_shown(text))
        view = dataclasses.replace(view, optimizers=tuple(shown))
    return view, tuple(notices[:MAX_NOTICES])


@contextlib.contextmanager
def _noting(notices: list[str]) -> Iterator[None]:
    """Goes on after what cannot be read, with a sentence more."""
    try:
        yield
    except ConfigError as error:
        notices.append(str(error))


def _first_view(fields: Mapping[str, str]) -> View:
    if "formula" not in fields:
        return state.of_preset(fields.get("surface", "quadratic"))
    if "view" not in fields:
        return state.of_formula(fields["formula"])
    low, high, bottom, top = _numbers("view", fields["view"], 4)
    return state.of_formula(fields["formula"], ((low, high), (bottom, top)))


def _shown(text: str) -> Shown:
    key, *words = text.split(",")
    if len(words) > MAX_WORDS:
        raise ConfigError(f"An optimizer has at most {MAX_WORDS} values in an address.")
    choices = methods.find(key).choices
    options = {c.name: {str(option): option for option in c.options} for c in choices}
    values: dict[str, Value] = {}
    components: tuple[str, ...] = ()
    for word in words:
        name, _, value = word.partition("=")
        if name == "show":
            components = tuple(value.split(" "))
        elif name in options:
            values[name] = options[name].get(value, value)
        else:
            values[name] = number(name, value)
    return Shown(key, tuple(values.items()), components)


def _numbers(name: str, text: str, count: int) -> tuple[float, ...]:
    words = text.split(",", count)
    if len(words) != count:
        raise ConfigError(f"{name} must be {count} numbers, got {text[:50]!r}.")
    return tuple(number(name, word) for word in words)


def number(name: str, text: str) -> float:
    """The number that the text is; raises ConfigError, with the name, if it is none."""
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{name[:50]} must be a number, got {text[:50]!r}.") from None


def whole(name: str, text: str) -> int:
    """The whole number that the text is; raises ConfigError if it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ConfigError(f"{name} must be a whole number, got {text[:50]!r}.")
    return int(text)


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "start": lambda name, text: _numbers(name, text, 2),
    "noise": number,
    "steps": whole,
    "seed": whole,
}


def _joined(*numbers: float) -> str:
    return ",".join(repr(float(number)) for number in numbers)
