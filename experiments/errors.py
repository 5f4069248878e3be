"""What a user can be told: one sentence, without a traceback."""

import difflib
from collections.abc import Iterable


class ConfigError(ValueError):
    """A setting that cannot be run; the message is one sentence for the user."""


class RunError(RuntimeError):
    """A stored run that cannot be read or written; one sentence for the user."""


class OutputError(RuntimeError):
    """An output that cannot be written; one sentence for the user."""


class DataError(RuntimeError):
    """Data that cannot be had; the message says in one sentence why and what helps."""


def unknown(what: str, name: object, valid: Iterable[str]) -> ConfigError:
    """The error for a name that is not among `valid`, with the nearest one that is."""
    valid = list(valid)
    near = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.5)
    hint = f", perhaps {near[0]!r}" if near else ""
    allowed = ", ".join(valid) or "none"
    return ConfigError(f"Unknown {what} {name!r}{hint}: valid are {allowed}.")
