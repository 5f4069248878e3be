"""Fashion-MNIST through TFDS, without TensorFlow.

TFDS's own builder needs TensorFlow to prepare the set, for its image feature and its
extractor; this one needs neither, and takes addresses and checksums from that one.

The four files are taken from wherever they can be had, in this order: the folder that
the user names, and no other then; what an earlier preparation left; an installed Debian
package; the internet; the Debian package from a mirror, fetched and unpacked without
root. The check is the same for all: TFDS's published SHA-256.
"""

import contextlib
import gzip
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from experiments.data import reading, tfds_files
from experiments.errors import DataError

CHECKSUMS = tfds.image_classification.FashionMNIST.url_infos
URLS = {str(info.filename): url for url, info in CHECKSUMS.items()}
HOMEPAGE = "https://github.com/zalandoresearch/fashion-mnist"
PACKAGE = "dataset-fashion-mnist"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
# Name and the modification time that its gzip header states.
FILES = {
    "train-images-idx3-ubyte.gz": 1504176606,
    "train-labels-idx1-ubyte.gz": 1504176606,
    "t10k-images-idx3-ubyte.gz": 1504176627,
    "t10k-labels-idx1-ubyte.gz": 1504176627,
}
_COMMAND_SECONDS = 120
_RESOLVER = "timeout:2 attempts:1"  # else apt waits minutes for a silent name server


class FashionMnist(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The published images and labels, in the published order."""

    name = "fashion_mnist"  # TFDS's registry keeps its own builder under it
    VERSION = tfds.core.Version("1.0.0")
    url_infos = CHECKSUMS

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds_files.info(self, (28, 28, 1), 10, HOMEPAGE)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        paths = dl_manager.download(URLS)
        return {
            split: self._generate_examples(
                paths[f"{prefix}-images-idx3-ubyte.gz"],
                paths[f"{prefix}-labels-idx1-ubyte.gz"],
            )
            for split, prefix in (("train", "train"), ("test", "t10k"))
        }

    def _generate_examples(self, images: Path, labels: Path) -> Iterator[Any]:
        pixels = _values(images, dimensions=3).reshape(-1, 28, 28, 1)
        classes = _values(labels, dimensions=1)
        for index, (image, label) in enumerate(zip(pixels, classes, strict=True)):
            yield index, {"image": image, "label": int(label)}


def build(
    building: Path, earlier: Path, data_dir: Path | None
) -> Mapping[str, np.ndarray]:
    """Obtains the files, prepares the TFDS data set and stacks what it reads from it.

    The folder `building` receives the files (`raw`) and the data set (`tfds`).

    Raises:
      DataError: if the files cannot be obtained or are not the published ones.
    """
    obtain(building / "raw", data_dir, earlier / "raw")
    return tfds_files.prepare(FashionMnist, building)


def obtain(raw: Path, data_dir: Path | None, earlier: Path) -> None:
    """Fills a new folder with the four files exactly as published.

    Raises:
      DataError: if no source has them, with what was wrong with each.
    """
    raw.mkdir()
    if data_dir is not None:
        return _adopt(data_dir, raw)
    attempts: list[Callable[[Path], Path]] = [_installed, _download, _unpack_package]
    if earlier.exists():
        attempts.insert(0, lambda scratch: earlier)
    reasons = []
    for attempt in attempts:
        with tempfile.TemporaryDirectory(dir=raw.parent) as scratch:
            try:
                return _adopt(attempt(Path(scratch)), raw)
            except DataError as reason:
                reasons.append(str(reason).rstrip("."))
    raise DataError(
        f"Fashion-MNIST could not be obtained ({'; '.join(reasons)}): connect to the "
        f"internet, install the Debian package {PACKAGE}, or pass --data-dir a folder "
        f"with the four .gz files that {HOMEPAGE} offers."
    )


def with_published_header(name: str, content: bytes) -> bytes:
    """Restores the gzip header that Debian's packaging strips of name and time.

    A copy whose header states a name is returned unchanged.
    """
    if content[:4] != b"\x1f\x8b\x08\x00":  # gzip, deflated, no flag set
        return content
    header = struct.pack("<4sIBB", b"\x1f\x8b\x08\x08", FILES[name], 0, 3)
    return header + name.removesuffix(".gz").encode() + b"\x00" + content[10:]


def _values(path: Path, dimensions: int) -> np.ndarray:
    # IDX: a magic number and the sizes of the dimensions, 4 bytes each, then the bytes.
    content = gzip.decompress(path.read_bytes())
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)


def _adopt(folder: Path, raw: Path) -> None:
    for name in FILES:
        try:
            with reading.opened(folder / name) as file:
                content = file.read()
        except OSError as error:
            raise DataError(
                f"{folder / name} cannot be read ({error.strerror}); the folder must "
                f"hold {', '.join(FILES)}."
            ) from error
        (raw / name).write_bytes(with_published_header(name, content))
        published = CHECKSUMS[URLS[name]]
        tfds_files.check(raw / name, folder / name, published, HOMEPAGE)


def _installed(scratch: Path) -> Path:
    del scratch
    if not INSTALLED.exists():
        raise DataError(f"the Debian package {PACKAGE} is not installed")
    return INSTALLED


def _download(scratch: Path) -> Path:
    return tfds_files.download(CHECKSUMS, scratch)


def _unpack_package(scratch: Path) -> Path:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise DataError(f"this machine has no {tool}")
    options = ["-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=0"]
    for protocol in ("http", "https"):
        options += ["-o", f"Acquire::{protocol}::Timeout=10"]
    try:
        _run(scratch, "apt-get", *options, "download", PACKAGE)
    except DataError as reason:
        # The system's package lists may be missing or old, and are not ours to change.
        (scratch / "lists" / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::Lists={scratch / 'lists'}"]
        options += ["-o", f"Dir::Cache={scratch / 'cache'}"]
        try:
            with contextlib.suppress(DataError):  # of a source that we do not need
                _run(scratch, "apt-get", *options, "update")
            _run(scratch, "apt-get", *options, "download", PACKAGE)
        except DataError:
            raise reason from None
    [package] = scratch.glob("*.deb")
    _run(scratch, "dpkg-deb", "-x", package.name, "package")
    return scratch / "package" / INSTALLED.relative_to("/")


def _run(folder: Path, *command: str) -> None:
    try:
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", "RES_OPTIONS": _RESOLVER},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=_COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{command[0]} took over {_COMMAND_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise DataError(f"{command[0]} failed: {lines[-1]}") from error
