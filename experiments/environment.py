"""Sets JAX up for the experiments, before it starts a backend.

The library leaves these settings alone: they belong to whoever owns the process.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
from pathlib import Path

# XLA:CPU 0.10 sends convolutions to YNNPACK, which is up to five times slower than the
# Eigen kernels it replaced, and reductions: over the examples of a mini-batch, as its
# gradient variance needs, up to eighty times.
_WITHOUT_YNNPACK = (
    "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution,-reduce"
)


def cache_dir() -> Path:
    """The folder for what can be made again: data sets and compiled programs.

    `$OPTAX_SIGN_CACHE`, else `optax-sign` in `$XDG_CACHE_HOME`, else in `~/.cache`.
    """
    if chosen := os.environ.get("OPTAX_SIGN_CACHE"):
        return Path(chosen).expanduser()
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "optax-sign"


def prepare() -> None:
    """Chooses fast convolutions and keeps compiled programs.

    Call it before JAX runs its first operation. What the user has set is left alone:
    any `XLA_FLAGS`, even empty ones, and a compilation cache.
    """
    if "XLA_FLAGS" not in os.environ and _knows_the_flag():
        os.environ["XLA_FLAGS"] = _WITHOUT_YNNPACK

    import jax  # Only now, so that nothing of it can miss the flag.

    if jax.config.values["jax_compilation_cache_dir"] is None:
        programs = cache_dir() / "programs"
        with contextlib.suppress(OSError):
            programs.mkdir(parents=True, exist_ok=True)
        if programs.is_dir() and os.access(programs, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(programs))
            # JAX skips what compiles within a second, which is most of these programs.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def _knows_the_flag() -> bool:
    """Whether the installed XLA has the flag; one that has not would abort."""
    version = importlib.metadata.version("jaxlib")
    other_xla = importlib.util.find_spec("libtpu")  # Reads XLA_FLAGS, too.
    return version.startswith("0.10.") and other_xla is None
