"""Four tiny files in the place of the published ones, for tests without a network."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from tensorflow_datasets.core.download import checksums

from experiments.data import fashion_mnist

SIZES = {"train": 5, "t10k": 3}
# A modification time as in the published files: 2017-08-31 10:50:06 and 27 (UTC).
TIMES = {"train": 1504176606, "t10k": 1504176627}


def idx(array: np.ndarray) -> bytes:
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def content(split: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(SIZES[split])
    images = rng.integers(0, 256, (SIZES[split], 28, 28), np.uint8)
    return images, rng.integers(0, 10, SIZES[split], np.uint8)


def packed(name: str, payload: bytes) -> bytes:
    """As published: a gzip header with name and time, level unstated, made on Unix."""
    time = TIMES[name.split("-")[0]].to_bytes(4, "little")
    header = b"\x1f\x8b\x08\x08" + time + b"\x00\x03" + name[:-3].encode() + b"\x00"
    return header + gzip.compress(payload)[10:]


def stripped(name: str, published: bytes) -> bytes:
    """As in Debian's package: the time of the build, and no name."""
    return b"\x1f\x8b\x08\x00\xed\x0a\xda\x5e\x00\x03" + published[10 + len(name) - 2 :]


def files() -> dict[str, bytes]:
    published = {}
    for split in SIZES:
        for kind, array in zip(("images", "labels"), content(split), strict=True):
            name = f"{split}-{kind}-idx{array.ndim}-ubyte.gz"
            published[name] = packed(name, idx(array))
    return published


def use_tiny_files(url: str, patch: pytest.MonkeyPatch) -> None:
    infos = {
        url + name: checksums.UrlInfo(len(data), hashlib.sha256(data).hexdigest(), name)
        for name, data in files().items()
    }
    patch.setattr(fashion_mnist, "CHECKSUMS", infos)
    urls = {info.filename: url for url, info in infos.items()}
    patch.setattr(fashion_mnist, "URLS", urls)
    patch.setattr(fashion_mnist.FashionMnist, "url_infos", infos)


def folder_of(path: Path, contents: dict[str, bytes]) -> Path:
    path.mkdir(parents=True)
    for name, data in contents.items():
        (path / name).write_bytes(data)
    return path


def debian_files() -> dict[str, bytes]:
    return {name: stripped(name, data) for name, data in files().items()}
