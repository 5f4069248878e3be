"""CIFAR-10 and CIFAR-100 through TFDS, without TensorFlow.

TFDS's own builders read and unpack with TensorFlow; this one does neither, and takes
addresses and checksums from those. The archives are the binary ones: a record is its
labels, one byte each, and 3072 bytes of a 32 x 32 image, first all of its red.
"""

import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from experiments.data import reading, tfds_files
from experiments.errors import DataError

HOMEPAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
CHECKSUMS = {
    **tfds.image_classification.Cifar10.url_infos,
    **tfds.image_classification.Cifar100.url_infos,
}
URLS = {info.filename: url for url, info in CHECKSUMS.items()}
PIXELS = 32 * 32 * 3


class Cifar10(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """CIFAR-10: the published images and labels, in the published order.

    Attributes:
      archive: name of the published file.
      classes: number of labels.
      label_bytes: labels in a record, of which the last one counts.
      members: files of the archive by split.
    """

    name = "cifar10"  # TFDS's registry keeps its own builder under it
    VERSION = tfds.core.Version("3.0.2")
    url_infos = CHECKSUMS
    archive = "cifar-10-binary.tar.gz"
    classes = 10
    label_bytes = 1
    members: Mapping[str, tuple[str, ...]] = {
        "train": tuple(f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)),
        "test": ("cifar-10-batches-bin/test_batch.bin",),
    }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds_files.info(self, (32, 32, 3), self.classes, HOMEPAGE)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        path = dl_manager.download(URLS[self.archive])
        return {
            split: self._generate_examples(path, members)
            for split, members in self.members.items()
        }

    def _generate_examples(self, path: Path, members: tuple[str, ...]) -> Iterator[Any]:
        with tarfile.open(path) as archive:
            contents = b"".join(_content(archive, name) for name in members)
        records = np.frombuffer(contents, np.uint8)
        pixels, label = slice(self.label_bytes, None), self.label_bytes - 1
        records = records.reshape(-1, self.label_bytes + PIXELS)
        for index, record in enumerate(records):
            image = record[pixels].reshape(3, 32, 32).transpose(1, 2, 0)
            yield index, {"image": image, "label": int(record[label])}


class Cifar100(Cifar10, skip_registration=True):
    """CIFAR-100; a record gives its coarse label before the fine one."""

    name = "cifar100"
    archive = "cifar-100-binary.tar.gz"
    classes = 100
    label_bytes = 2
    members: Mapping[str, tuple[str, ...]] = {
        "train": ("cifar-100-binary/train.bin",),
        "test": ("cifar-100-binary/test.bin",),
    }


KINDS = {kind.name: kind for kind in (Cifar10, Cifar100)}


def build(
    kind: type[Cifar10], building: Path, earlier: Path, data_dir: Path | None
) -> Mapping[str, np.ndarray]:
    """Obtains the archive, prepares the TFDS data set and stacks what it reads from it.

    The folder `building` receives the archive (`raw`) and the data set (`tfds`). The
    archive is taken from `data_dir` or, where that is None, from what an earlier
    preparation left or the internet.

    Raises:
      DataError: if the archive cannot be obtained or is not the published one.
    """
    raw, url = building / "raw", URLS[kind.archive]
    raw.mkdir()
    given = (data_dir or earlier / "raw") / kind.archive
    if data_dir is None and not given.exists():
        try:
            tfds_files.download({url: CHECKSUMS[url]}, raw)
        except DataError as error:
            raise DataError(
                f"The archive {kind.archive} could not be obtained ({error}): connect "
                f"to the internet, or pass --data-dir a folder with it as {HOMEPAGE} "
                f"offers it."
            ) from error
    else:
        try:
            with reading.opened(given) as file, (raw / given.name).open("wb") as copy:
                shutil.copyfileobj(file, copy)
        except OSError as error:
            raise DataError(
                f"{given} cannot be read ({error.strerror}): get it from {HOMEPAGE}."
            ) from error
        tfds_files.check(raw / kind.archive, given, CHECKSUMS[url], HOMEPAGE)
    return tfds_files.prepare(kind, building)


def _content(archive: tarfile.TarFile, member: str) -> bytes:
    file = archive.extractfile(member)
    assert file is not None  # a regular file: the checksum of the whole was right
    return file.read()
