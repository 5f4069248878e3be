"""How a run ended, and the digests of all that it left, so that changes are noticed."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Literal

from experiments.errors import RunError
from experiments.runs import files

# What a run leaves, but for the result itself.
PARTS = ("config.json", "metrics.jsonl", "**/events.*", "weights/**/*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended.

    Attributes:
      status: "finished", or "diverged" when the loss stopped being finite.
      steps: optimizer steps done.
      seconds: time spent training and evaluating.
      state_bytes: size of the optimizer's state.
      metrics: numbers of the last evaluation, by name; empty if there was none.
    """

    status: Literal["finished", "diverged"]
    steps: int
    seconds: float
    state_bytes: int
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        """Rejects what a file of another version may hold."""
        if self.status not in ("finished", "diverged"):
            raise ValueError(f"status must be one of its two, got {self.status!r}.")
        counts = (self.steps, self.seconds, self.state_bytes)
        for number in (*counts, *dict(self.metrics).values()):
            if not isinstance(number, int | float):
                raise ValueError(f"A result consists of numbers, got {number!r}.")


def write(folder: pathlib.Path, result: Result) -> None:
    """Puts the result in the folder of its run, beside all else, which is there."""
    with files.clear_refusal(folder):
        parts = files.digests(folder, *PARTS)
    tree = {**dataclasses.asdict(result), "files": parts}
    files.write_json(folder / "result.json", tree)


def read(folder: pathlib.Path) -> Result | None:
    """The result of a run, None if it has not ended.

    Raises:
      RunError: a file of the run is not as it was when it ended.
    """
    path = folder / "result.json"
    tree = files.read_json(path)
    if tree is None:
        return None
    try:
        parts, found = tree.pop("files"), files.digests(folder, *PARTS)
        changed = [name for name, digest in parts.items() if found.get(name) != digest]
        result = Result(**tree)
    except OSError as error:
        raise RunError(f"Cannot read {folder}: {error.strerror}.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise files.damaged(path) from error
    if changed:
        raise files.damaged(folder / changed[0])
    return result
