"""What a run is called: by its hash in folders and tables, by a few words to users."""

import dataclasses
import hashlib
import json
from typing import Any

from experiments.runs.config import Optimizer, Run


def run_hash(run: Run) -> str:
    """Sixteen hexadecimal digits that name the run, the same on every machine.

    Fields at their default do not enter, so that a field added later, with a default
    that changes nothing, leaves the names of all earlier runs as they are.
    """
    # Sorted keys and the shortest digits that give the float back (what json writes):
    # the text, and so the hash, depends on no process and no Python version.
    text = json.dumps(
        _essence(run), sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def group_key(run: Run) -> str:
    """Equal for runs that differ in nothing but the seed."""
    return run_hash(dataclasses.replace(run, seed=0))


def spell(optimizer: Optimizer) -> str:
    """The word of the command line for it; the schedule is not part of it."""
    options = {"learning_rate": optimizer.learning_rate, **dict(optimizer.options)}
    pairs = (f"{name}={value}" for name, value in options.items())
    return ",".join((optimizer.name, *pairs))


def name_of(run: Run) -> str:
    """What the run is called in messages and tables."""
    return f"{spell(run.optimizer)} on {run.model}, seed {run.seed}"


def title_of(run: Run) -> str:
    """The same as the name of a folder, which may have 255 bytes."""
    return name_of(run).replace("/", "_").encode()[:200].decode(errors="ignore")


def _essence(value: Any) -> Any:
    """What tells a configuration from others of its kind, as plain JSON values."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: _essence(getattr(value, field.name))
            for field in dataclasses.fields(value)
            # MISSING, which nothing equals, where there is no default.
            if getattr(value, field.name) != field.default
        }
    if isinstance(value, tuple):
        return [_essence(part) for part in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0  # 0, 0.0 and -0.0 are equal, and so are their names
    return value
