"""Where numbers come from: what is written beside every result."""

import datetime
import importlib.metadata
import platform

PACKAGES = ("jax", "jaxlib", "flax", "optax", "optax-sign", "numpy")


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide about numbers."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **packages}


def now() -> str:
    """Date and time of day, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
