"""Sets JAX up for the experiments, before it starts a backend.

The library leaves these settings alone: they belong to whoever owns the process.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
from pathlib import Path

from experiments.errors import DataError

# XLA:CPU 0.10 sends convolutions to YNNPACK, which is up to five times slower than the
# Eigen kernels it replaced, and reductions: over the examples of a mini-batch, as its
# gradient variance needs, up to eighty times.
_WITHOUT_YNNPACK = (
    "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution,-reduce"
)


def cache_dir() -> Path:
    """The folder for what can be made again: data sets and compiled programs.

    `$OPTAX_SIGN_CACHE`, else `optax-sign` in `$XDG_CACHE_HOME`, else in `~/.cache`.

    Raises:
      DataError: the home folder that this means is not known.
    """
    chosen = os.environ.get("OPTAX_SIGN_CACHE")
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(chosen or f"{root}/optax-sign").expanduser()
    except RuntimeError as error:
        raise DataError(
            f"The home folder in {chosen or root!r}, for data and programs, is not "
            f"known: set OPTAX_SIGN_CACHE to a folder that can be written."
        ) from error


def prepare() -> None:
    """Chooses fast convolutions and keeps compiled programs.

    Call it before JAX runs its first operation. What the user has set is left alone:
    any `XLA_FLAGS`, even empty ones, and a compilation cache.
    """
    if "XLA_FLAGS" not in os.environ and _knows_the_flag():
        os.environ["XLA_FLAGS"] = _WITHOUT_YNNPACK

    import jax  # Only now, so that nothing of it can miss the flag.

    if jax.config.values["jax_compilation_cache_dir"] is None:
        with contextlib.suppress(OSError, DataError):
            programs = cache_dir() / "programs"
            programs.mkdir(parents=True, exist_ok=True)
            if os.access(programs, os.W_OK):
                jax.config.update("jax_compilation_cache_dir", str(programs))
                # JAX skips what compiles within a second: most of these programs.
                jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def _knows_the_flag() -> bool:
    """Whether the installed XLA has the flag; one that has not would abort."""
    version = importlib.metadata.version("jaxlib")
    other_xla = importlib.util.find_spec("libtpu")  # Reads XLA_FLAGS, too.
    return version.startswith("0.10.") and other_xla is None
