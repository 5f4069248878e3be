"""CIFAR from tiny archives of the published layout, offline, and ways that can fail."""

import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums

from experiments.data import cifar, datasets
from experiments.errors import DataError
from tests.experiments.messages import assert_one_sentence

NAMES = cifar.KINDS


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def content(name):
    """Images and labels by split: two records a file."""
    random = np.random.default_rng(len(name))
    kind = NAMES[name]
    return {
        split: (
            random.integers(0, 256, (2 * len(members), 32, 32, 3), np.uint8),
            random.integers(0, kind.classes, 2 * len(members)),
        )
        for split, members in kind.members.items()
    }


def archive(name):
    """As published: a compressed folder of files, a record after the other."""
    kind, packed = NAMES[name], io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as files:
        for split, (images, labels) in content(name).items():
            for index, member in enumerate(kind.members[split]):
                records = b""
                for i in (2 * index, 2 * index + 1):
                    coarse = [labels[i] // 5] * (kind.label_bytes - 1)
                    planes = [images[i, :, :, colour] for colour in range(3)]
                    records += bytes([*coarse, labels[i]])
                    records += b"".join(plane.tobytes() for plane in planes)
                info = tarfile.TarInfo(member)
                info.size = len(records)
                files.addfile(info, io.BytesIO(records))
    return gzip.compress(packed.getvalue())


@pytest.fixture
def given(name, tmp_path, monkeypatch):
    """A folder with the tiny archive, which counts as the published one."""
    kind, packed = NAMES[name], archive(name)
    url = f"http://127.0.0.1:9/{kind.archive}"  # the discard port: refused
    digest = hashlib.sha256(packed).hexdigest()
    infos = {url: checksums.UrlInfo(len(packed), digest, kind.archive)}
    monkeypatch.setattr(cifar, "CHECKSUMS", infos)
    monkeypatch.setattr(cifar, "URLS", {kind.archive: url})
    monkeypatch.setattr(cifar.Cifar10, "url_infos", infos)
    monkeypatch.setenv("OPTAX_SIGN_CACHE", str(tmp_path / "cache"))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / kind.archive).write_bytes(packed)
    return folder


def assert_expected(name, loaded):
    for split, (images, labels) in content(name).items():
        inputs, found = (getattr(loaded, f"{split}_{x}") for x in ("inputs", "labels"))
        assert (inputs.dtype, found.dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(inputs, images)
        np.testing.assert_array_equal(found, labels)
    assert loaded.num_classes == {"cifar10": 10, "cifar100": 100}[name]
    assert loaded.kind == "standardized"


def test_loaded_as_a_user_loads_it(name, given):
    assert_expected(name, datasets.load(name, given))
    (given / NAMES[name].archive).unlink()
    assert_expected(name, datasets.load(name))  # from the cache


def test_a_damaged_set_is_made_again_from_the_archive_that_was_kept(
    name, given, tmp_path
):
    datasets.load(name, given)
    (tmp_path / "cache/datasets" / name / "train_images.npy").write_bytes(b"")
    assert_expected(name, datasets.load(name))


def test_addresses_and_checksums_are_those_of_tfds():
    assert cifar.Cifar10.url_infos is cifar.CHECKSUMS
    for kind in NAMES.values():
        url = f"https://www.cs.toronto.edu/~kriz/{kind.archive}"
        assert cifar.URLS[kind.archive] == url
        assert len(cifar.CHECKSUMS[url].checksum) == 64


def test_an_archive_that_is_not_the_published_one(name, given):
    path = given / NAMES[name].archive
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="is not the published file.*kriz") as error:
        datasets.load(name, given)
    assert_one_sentence(str(error.value))


def test_a_folder_without_the_archive(name, given, tmp_path):
    with pytest.raises(DataError, match="elsewhere/cifar.*cannot be read") as error:
        datasets.load(name, tmp_path / "elsewhere")
    assert_one_sentence(str(error.value))


def test_without_the_internet(name, given):
    message = r"could not be obtained \(http.*out of reach.*\): connect.*--data-dir"
    with pytest.raises(DataError, match=message) as error:
        datasets.load(name)
    assert_one_sentence(str(error.value))


def test_tfds_mocks_the_builders(name, tmp_path):
    """As for any other data set, with examples of the right shapes and ranges."""
    with tfds.testing.mock_data(num_examples=9):
        builder = NAMES[name](data_dir=tmp_path, file_format="array_record")
        builder.download_and_prepare()
        source = builder.as_data_source("train")
        examples = [source[i] for i in range(len(source))]
    assert len(examples) == 9
    for example in examples:
        assert (example["image"].shape, example["image"].dtype) == ((32, 32, 3), "u1")
        assert 0 <= example["label"] < NAMES[name].classes
