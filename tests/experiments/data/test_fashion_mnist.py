"""What TFDS makes of the files of Fashion-MNIST, without TensorFlow."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.data import fashion_mnist
from tests.experiments.tiny_fashion_mnist import (
    content,
    files,
    folder_of,
    use_tiny_files,
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    use_tiny_files("http://127.0.0.1:9/", monkeypatch)  # the discard port: refused


@pytest.fixture
def nowhere(tmp_path) -> Path:
    return tmp_path / "no earlier preparation"


def test_arrays_are_what_was_published_in_the_published_order(tmp_path, nowhere, capfd):
    building = folder_of(tmp_path / "building", {})
    data_dir = folder_of(tmp_path / "given", files())
    arrays = fashion_mnist.build(building, nowhere, data_dir)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = content(prefix)
        np.testing.assert_array_equal(
            arrays[f"{split}_images"], images[..., None], strict=True
        )
        np.testing.assert_array_equal(
            arrays[f"{split}_labels"], labels.astype(np.int32), strict=True
        )
    assert len(arrays) == 4
    assert {path.name for path in building.iterdir()} == {"raw", "tfds"}
    assert capfd.readouterr() == ("", "")


def test_tfds_itself_checks_the_files(tmp_path, nowhere, monkeypatch):
    damaged = files()
    damaged["t10k-labels-idx1-ubyte.gz"] += b"more"

    def unchecked(raw, data_dir, earlier):
        folder_of(raw, damaged)

    monkeypatch.setattr(fashion_mnist, "obtain", unchecked)
    with pytest.raises(Exception, match="wrong checksum"):
        fashion_mnist.build(folder_of(tmp_path / "building", {}), nowhere, None)


def test_files_without_a_known_checksum_are_refused(tmp_path, nowhere, monkeypatch):
    # An address of its own: TFDS remembers the checksums that it has been told before.
    use_tiny_files("http://127.0.0.1:9/unheard-of/", monkeypatch)
    monkeypatch.setattr(fashion_mnist.FashionMnist, "url_infos", {})
    data_dir = folder_of(tmp_path / "given", files())
    with pytest.raises(ValueError, match="Missing checksums"):
        fashion_mnist.build(folder_of(tmp_path / "building", {}), nowhere, data_dir)


def test_preparation_does_not_import_tensorflow(tmp_path):
    decoy = folder_of(tmp_path / "decoy" / "tensorflow", {})
    (decoy / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')")
    data_dir = folder_of(tmp_path / "given", files())
    building = folder_of(tmp_path / "building", {})
    script = (
        "import sys, pathlib, pytest\n"
        "from experiments.data import fashion_mnist\n"
        "from tests.experiments import tiny_fashion_mnist as tiny\n"
        "tiny.use_tiny_files('http://127.0.0.1:9/', pytest.MonkeyPatch())\n"
        "building, data_dir = map(pathlib.Path, sys.argv[1:])\n"
        "fashion_mnist.build(building, building / 'none', data_dir)\n"
        "sys.exit('tensorflow' in sys.modules)\n"
    )
    path = os.pathsep.join([str(decoy.parent), *filter(None, sys.path)])
    subprocess.run(
        [sys.executable, "-c", script, building, data_dir],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
    )
    assert (building / "tfds").exists()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write() failed: No space left on device; at byte 9", OSError),
        ("something else", RuntimeError),
    ],
)
def test_the_record_writer_on_a_full_disk(tmp_path, nowhere, monkeypatch, text, kind):
    def fail(self, **options):
        raise RuntimeError(text)

    monkeypatch.setattr(fashion_mnist.FashionMnist, "download_and_prepare", fail)
    data_dir = folder_of(tmp_path / "given", files())
    with pytest.raises(kind) as caught:
        fashion_mnist.build(folder_of(tmp_path / "building", {}), nowhere, data_dir)
    assert kind is RuntimeError or caught.value.errno == errno.ENOSPC
