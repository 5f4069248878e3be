"""Checkpoints: what is restored, and what is refused."""

import resource
import shutil
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.errors import RunError
from experiments.runs import checkpoints
from experiments.runs.checkpoints import Checkpoint
from tests.experiments.messages import assert_one_sentence


class Pair(NamedTuple):
    left: object
    right: object


def state(fill=1.0):
    params = {
        "kernel": jnp.full((3, 2), fill, jnp.float32),
        "layers": {0: jnp.full(2, fill, jnp.float32)},
    }
    optimizer = optax.chain(
        optax.adam(0.1, mu_dtype=jnp.bfloat16),
        optax.masked(optax.trace(0.9), {"kernel": True, "layers": False}),
    )
    tree = Pair(
        left={"params": params, "state": optimizer.init(params)},
        right=[
            jnp.int32(7),
            jnp.full((), fill, jnp.float16),
            jnp.zeros((0, 3)),
            None,
            {},
            jnp.array([True, False]),
        ],
    )
    return jax.tree.map(np.asarray, tree)


def abstract(tree):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def save(folder, *steps):
    for step in steps:
        saved = Checkpoint(step=step, seconds=step / 7, state=state(step % 100))
        checkpoints.save(folder, "a run", saved)


def restore(folder, target=None):
    return checkpoints.restore(folder, "a run", abstract(target or state()))


def assert_is(restored, step):
    assert (restored.step, restored.seconds) == (step, step / 7)
    expected = state(step % 100)
    assert jax.tree.structure(restored.state) == jax.tree.structure(expected)
    for a, b in zip(
        jax.tree.leaves(restored.state), jax.tree.leaves(expected), strict=True
    ):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run" / "checkpoints"


def test_the_last_checkpoint_is_restored(folder):
    assert restore(folder) is None
    save(folder, 3)
    assert_is(restore(folder), 3)
    save(folder, 20, 1_000_000, 1_000_001)
    assert_is(restore(folder), 1_000_001)
    assert names(folder) == ["1000000", "1000001"]


def test_unfinished_checkpoint_is_neither_used_nor_in_the_way(folder):
    save(folder, 3)
    shutil.copytree(folder / "000003", folder / "making")
    shutil.copytree(
        folder / "000003" / "arrays", folder / "making" / "arrays.orbax-checkpoint-tmp"
    )
    assert_is(restore(folder), 3)
    save(folder, 5)
    assert_is(restore(folder), 5)
    assert names(folder) == ["000003", "000005"]


def test_any_damage_is_found_and_the_one_before_is_used(folder, caplog):
    save(folder, 3, 5)
    last = folder / "000005"
    files = [path for path in last.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        content = path.read_bytes()
        middle = len(content) // 2
        flipped = bytes([content[middle] ^ 0x55]) if content else b"!"
        changed = content[:middle] + flipped + content[middle + 1 :]
        for damaged in {None, content[:middle], changed} - {content}:
            if damaged is None:
                path.unlink()
            else:
                path.write_bytes(damaged)
            caplog.clear()
            assert_is(restore(folder), 3)
            assert_one_sentence(caplog.messages[0])
            assert str(last) in caplog.messages[0]
            path.write_bytes(content)
    assert_is(restore(folder), 5)
    (last / "arrays" / "another").touch()
    assert_is(restore(folder), 3)
    save(folder, 4)  # going on from 3: what is beyond is of no more use
    assert names(folder) == ["000003", "000004"]


def test_nothing_is_deleted_when_all_are_damaged(folder):
    save(folder, 3, 5)
    for name in ("000003", "000005"):
        (folder / name / "manifest.json").write_text("{")
    before = sorted(folder.rglob("*"))
    with pytest.raises(RunError, match="000005 is damaged and .*000003 is") as error:
        restore(folder)
    assert_one_sentence(str(error.value))
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("rest", ["of another run", "of another network"])
def test_checkpoint_of_something_else_is_refused(folder, rest):
    save(folder, 3)
    before = sorted(folder.rglob("*"))
    with pytest.raises(RunError) as error:
        if rest == "of another run":
            checkpoints.restore(folder, "another", abstract(state()))
        else:
            restore(folder, target=state()._replace(left={"params": np.zeros(3)}))
    assert_one_sentence(str(error.value))
    assert str(folder / "000003") in str(error.value)
    assert sorted(folder.rglob("*")) == before


def test_refusal_of_the_file_system_is_one_sentence(folder, monkeypatch):
    save(folder, 3)
    folder.with_name("file").touch()
    with pytest.raises(RunError, match="Not a directory") as no_folder:
        save(folder.with_name("file"), 5)
    free = shutil.disk_usage(folder)._replace(free=100)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: free)
        with pytest.raises(RunError, match="No space left on device") as full:
            save(folder, 5)

    def refuse(*arguments, **keywords):  # in the words of tensorstore
        raise ValueError("RESOURCE_EXHAUSTED: Failed to write [os_error_code='122']")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.ocp, "save", refuse)
        with pytest.raises(RunError, match="quota exceeded") as quota:
            save(folder, 5)
    for error in (no_folder, full, quota):
        assert_one_sentence(str(error.value))
    assert_is(restore(folder), 3)


def test_a_refusal_in_the_middle_is_told_without_a_traceback(tmp_path, capfd):
    arrays = {name: np.random.default_rng(0).random((99, 99)) for name in "abcd"}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    hook = sys.unraisablehook
    sys.unraisablehook = sys.__unraisablehook__  # as outside of pytest
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        for number in range(6):  # one in two was told of by threads, too
            with pytest.raises(OSError, match="File too large"):
                checkpoints.save_arrays(tmp_path / str(number), arrays)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        sys.unraisablehook = hook
    assert capfd.readouterr().err == ""


def test_arrays_have_names_and_replace_what_is_there(tmp_path):
    half_written = tmp_path / "weights.orbax-checkpoint-tmp"
    half_written.mkdir()
    (half_written / "rest").touch()
    for fill in (1.0, 2.0):
        checkpoints.save_arrays(tmp_path / "weights", state(fill))
    loaded = checkpoints.load_arrays(tmp_path / "weights", abstract(state()))
    np.testing.assert_array_equal(loaded.left["params"]["layers"][0], [2, 2])
    assert not half_written.exists()
