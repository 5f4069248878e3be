"""JAX is set up once, early, and never against the user."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import environment

ROOT = Path(__file__).parents[2]
FLAG = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution,-reduce"


def run(script, tmp_path, **variables):
    """Runs Python lines in a process of their own: JAX can be set up only once."""
    ours = {"XLA_FLAGS", "OPTAX_SIGN_CACHE", "XDG_CACHE_HOME"}
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key not in ours and not key.startswith("JAX_")
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={
            **inherited,
            "JAX_PLATFORMS": "cpu",
            "OPTAX_SIGN_CACHE": str(tmp_path),
            **variables,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_prepared_process(tmp_path):
    script = """
import os, sys
from experiments import environment
assert "jax" not in sys.modules
environment.prepare()
import jax
print(os.environ["XLA_FLAGS"])
jax.jit(lambda x: x + 1)(1)
environment.prepare()
"""
    done = run(script, tmp_path)
    assert done.stdout.splitlines() == [FLAG]
    # XLA accepts the flag silently, and the program is kept although it is tiny.
    assert done.stderr == ""
    assert any((tmp_path / "programs").glob("jit__lambda*"))


def test_choices_of_the_user_stay(tmp_path):
    script = """
import os
from experiments import environment
environment.prepare()
import jax
assert os.environ["XLA_FLAGS"] == ""
assert jax.device_count() == 1
jax.jit(lambda x: x + 1)(1)
"""
    mine = tmp_path / "mine"
    run(script, tmp_path, XLA_FLAGS="", JAX_COMPILATION_CACHE_DIR=str(mine))
    assert not (tmp_path / "programs").exists()


def test_no_place_for_a_cache_is_no_obstacle(tmp_path):
    (tmp_path / "file").touch()
    script = """
from experiments import environment
environment.prepare()
import jax
jax.jit(lambda x: x + 1)(1)
"""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "programs").touch()
    nobody = "~nosuchuser/cache"
    for cache in (tmp_path / "file" / "cache", tmp_path / "cache", nobody):
        done = run(script, tmp_path, OPTAX_SIGN_CACHE=str(cache))
        assert done.stderr == ""


@pytest.mark.parametrize(
    "jaxlib, other_xla, chosen",
    [
        ("0.10.0", None, True),
        ("0.10.2", None, True),
        ("0.10.2", "libtpu", False),
        ("0.9.2", None, False),
        ("0.11.0", None, False),
        ("0.100.0", None, False),
    ],
)
def test_the_flag_is_set_only_where_it_is_known(
    jaxlib, other_xla, chosen, monkeypatch, tmp_path
):
    (tmp_path / "file").touch()  # With no cache, the rest of JAX is left alone.
    monkeypatch.setenv("OPTAX_SIGN_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("XLA_FLAGS", "")  # So that it is put back afterwards.
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(importlib.metadata, "version", lambda _: jaxlib)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: other_xla)
    environment.prepare()
    assert os.environ.get("XLA_FLAGS") == (FLAG if chosen else None)


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("OPTAX_SIGN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert environment.cache_dir() == tmp_path / ".cache" / "optax-sign"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert environment.cache_dir() == tmp_path / "xdg" / "optax-sign"
    monkeypatch.setenv("OPTAX_SIGN_CACHE", "~/mine")
    assert environment.cache_dir() == tmp_path / "mine"
