"""The real Fashion-MNIST, obtained, prepared and loaded as a user gets it.

The first test to ask fills the user's cache; the other workers wait for it, and later
sessions find it there.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tensorflow_datasets.core.download import checksums

from experiments import environment
from experiments.data import datasets, fashion_mnist
from experiments.errors import ConfigError, DataError


@pytest.fixture(scope="session")
def loaded() -> datasets.Dataset:
    return datasets.load("fashion_mnist")


def test_shapes_types_and_labels(loaded):
    for part, count in (("train", 60_000), ("test", 10_000)):
        images = getattr(loaded, f"{part}_inputs")
        labels = getattr(loaded, f"{part}_labels")
        assert (images.shape, images.dtype) == ((count, 28, 28, 1), np.uint8)
        assert (labels.shape, labels.dtype) == ((count,), np.int32)
        assert np.bincount(labels).tolist() == [count // 10] * 10
    assert loaded.num_classes == 10


def test_pixels_have_the_mean_that_everyone_normalises_by(loaded):
    mean = loaded.train_inputs.mean(dtype=np.float64) / 255
    assert round(float(mean), 4) == 0.2860  # the number in use has four digits


@pytest.mark.parametrize(
    ("array", "digest"),
    [
        (
            "train_inputs",
            "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        ),
        (
            "train_labels",
            "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        ),
        (
            "test_inputs",
            "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
        ),
        (
            "test_labels",
            "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        ),
    ],
)
def test_arrays_have_known_digests(loaded, array, digest):
    values = np.ascontiguousarray(getattr(loaded, array), np.uint8)
    assert hashlib.sha256(values.data).hexdigest() == digest


@pytest.mark.parametrize(("part", "prefix"), [("train", "train"), ("test", "t10k")])
@pytest.mark.parametrize(("field", "header"), [("images", 16), ("labels", 8)])
def test_arrays_are_what_the_checksummed_files_hold(
    loaded, part, prefix, field, header
):
    name = f"{prefix}-{field}-idx{1 if field == 'labels' else 3}-ubyte.gz"
    packed = environment.cache_dir() / "datasets/fashion_mnist/raw" / name
    published = fashion_mnist.CHECKSUMS[fashion_mnist.URLS[name]]
    assert checksums.compute_url_info(packed) == published
    content = gzip.decompress(packed.read_bytes())[header:]
    array = getattr(loaded, f"{part}_{field.replace('images', 'inputs')}")
    assert array.astype(np.uint8).tobytes() == content


@pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="not Debian"
)
def test_the_debian_package_gives_the_published_files(tmp_path, monkeypatch):
    def offline(scratch):
        raise DataError("not tried")

    monkeypatch.setattr(fashion_mnist, "_download", offline)
    try:
        fashion_mnist.obtain(tmp_path / "raw", None, tmp_path / "earlier")
    except DataError as error:
        if "apt-get failed" not in str(error) or "CI" in os.environ:
            raise  # fetched, and not what it should be; CI must reach a mirror
        # Off CI a machine may have no network, without which there is nothing to check.
        pytest.skip(f"no mirror within reach: {error}")
    for name, url in fashion_mnist.URLS.items():
        found = checksums.compute_url_info(tmp_path / "raw" / name)
        assert found == fashion_mnist.CHECKSUMS[url]


def test_loading_a_prepared_set_imports_neither_tfds_nor_jax(loaded):
    script = (
        "import sys; from experiments.data import datasets;"
        "datasets.load('fashion_mnist');"
        "heavy = {'tensorflow', 'tensorflow_datasets', 'jax'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_unknown_set_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="'fashion_mnits', perhaps 'fashion_m"):
        datasets.load("fashion_mnits")


def test_a_folder_given_by_the_user_reaches_the_sources(tmp_path, monkeypatch):
    monkeypatch.setenv("OPTAX_SIGN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="given/train-images.* cannot be read"):
        datasets.load("fashion_mnist", tmp_path / "given")
