"""Which optimizer when: what the claims have shown of each, told in `guide.toml`."""

import dataclasses
import pathlib
import tomllib
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """An optimizer of the library.

    Attributes:
      name: in `optax_sign`.
      update: times minus the learning rate.
      state: bytes for each float32 weight.
      use: when to use it.
      avoid: when not.
      claims: the evidence for both, if there is any.
    """

    name: str
    update: str
    state: str
    use: str
    avoid: str
    claims: Sequence[str]


_TABLE = tomllib.loads(pathlib.Path(__file__).with_suffix(".toml").read_text("utf-8"))
ENTRIES = tuple(Entry(name=name, **row) for name, row in _TABLE.items())
