"""JSON files with a digest of what they say: a value changed by hand is refused."""

import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from experiments.errors import RunError
from experiments.runs.files import read_bytes, write_output

T = TypeVar("T")


def write(path: pathlib.Path, tree: Mapping[str, Any]) -> None:
    """Writes the tree and its digest, one line a key, whole or not at all.

    Raises:
      OutputError: the folder cannot be written to.
    """
    whole = {**tree, "digest": _digest(tree)}
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in whole.items())
    write_output(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def read(path: pathlib.Path, parse: Callable[[dict[str, Any]], T]) -> T | None:
    """Reads what was written, None if there is no such file.

    Args:
      path: of the file.
      parse: makes something of the tree.

    Raises:
      RunError: the file is not what was written, or `parse` cannot make sense of it.
    """
    content = read_bytes(path)
    if content is None:
        return None
    try:
        tree = json.loads(content)
        if tree.pop("digest") != _digest(tree):
            raise refusal(path, "does not match its digest: it was edited or damaged")
        return parse(tree)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise refusal(path, "is damaged") from error


def refusal(path: pathlib.Path, why: str) -> RunError:
    """The error for a file that is not what it should be."""
    return RunError(f"{path} {why}; delete it, and reproduce makes it anew.")


def rounded(tree: Any) -> Any:
    """Numbers of six digits: more than a reader sees, and half the size of all."""
    if isinstance(tree, float):
        return float(f"{tree:.6g}")
    if isinstance(tree, list | tuple):
        return [rounded(value) for value in tree]
    if isinstance(tree, Mapping):
        return {key: rounded(value) for key, value in tree.items()}
    return tree


def _digest(tree: Mapping[str, Any]) -> str:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
