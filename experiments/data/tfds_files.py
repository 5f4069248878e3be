"""From files as published, checked by TFDS's checksums, to stacked arrays."""

import contextlib
import errno
import hashlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums

from experiments.errors import DataError

_PROBE_SECONDS = 3
_STALL_SECONDS = 15


def download(published: dict[str, checksums.UrlInfo], folder: Path) -> Path:
    """Fetches files, given by address, into a folder, and returns it.

    Not by TFDS, which waits for ever and asks again for minutes.

    Raises:
      DataError: the first of them is out of reach, one is not what it should be, or
        nothing comes for a while.
    """
    first, *_ = published
    site = first.rpartition("/")[0] + "/"
    _probe(first, site)
    try:
        for url, info in published.items():
            with (
                requests.get(url, stream=True, timeout=_STALL_SECONDS) as answer,
                (folder / str(info.filename)).open("wb+") as file,
            ):
                answer.raise_for_status()
                for block in answer.iter_content(1 << 16):
                    file.write(block)
                    if file.tell() > info.size:
                        break  # whatever this is, it may never end
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != info.checksum:
                raise DataError(f"{url} is not the published file")
    except requests.RequestException as error:
        what = type(error).__name__
        raise DataError(f"the download from {site} failed: {what}") from error
    return folder


def check(path: Path, given: Path, published: checksums.UrlInfo, homepage: str) -> None:
    """Refuses a file, which the user knows as `given`, that is not the published one.

    Raises:
      DataError: size or checksum differ.
    """
    found = checksums.compute_url_info(path)
    if found != published:
        raise DataError(
            f"{given} is not the published file, or is damaged: it has "
            f"{int(found.size)} bytes and SHA-256 {found.checksum[:12]}…, not "
            f"{int(published.size)} bytes and {published.checksum[:12]}…; get it again "
            f"from {homepage}."
        )


def info(
    builder: tfds.core.DatasetBuilder, shape: tuple[int, ...], classes: int, page: str
) -> tfds.core.DatasetInfo:
    """What TFDS is to know of a data set of labelled images of this shape."""
    return tfds.core.DatasetInfo(
        builder=builder,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Tensor(shape=shape, dtype=np.uint8),
                "label": tfds.features.ClassLabel(num_classes=classes),
            }
        ),
        supervised_keys=("image", "label"),
        homepage=page,
        disable_shuffling=True,  # studies without shuffling need the published order
    )


def prepare(
    kind: type[tfds.core.GeneratorBasedBuilder], building: Path
) -> Mapping[str, np.ndarray]:
    """Prepares a data set of images and stacks what it reads from it.

    Args:
      kind: builder of the data set, with what `info` says of it.
      building: folder with its files in `raw`, which TFDS checks once more; it receives
        the data set in `tfds`.

    Returns:
      For the splits "train" and "test", uint8 images [N, height, width, channels] and
      int32 labels [N], named as in "train_images".

    Raises:
      OSError: the disk is full.
    """
    builder = kind(data_dir=building / "tfds", file_format="array_record")
    tfds.display_progress_bar(enable=sys.stderr.isatty())
    with (
        _disk_full_as_os_error(),
        contextlib.redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory(dir=building) as empty,
    ):
        builder.download_and_prepare(
            download_dir=empty,
            download_config=tfds.download.DownloadConfig(
                manual_dir=building / "raw",
                try_download_gcs=False,
                force_checksums_validation=True,
            ),
        )
    return {
        f"{split}_{field}s": array
        for split in ("train", "test")
        for field, array in _stack(builder.as_data_source(split)).items()
    }


def _probe(url: str, site: str) -> None:
    # TFDS retries for minutes where there is no internet, and a name server that does
    # not answer holds up even a request with a time-out: hence the thread.
    failures: list[str] = [f"no answer in {_PROBE_SECONDS} s"]

    def ask() -> None:
        try:
            requests.head(url, timeout=_PROBE_SECONDS).raise_for_status()
        except requests.RequestException as error:
            failures[0] = type(error).__name__
        else:
            failures.clear()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PROBE_SECONDS)
    if failures:
        raise DataError(f"{site} is out of reach: {failures[0]}")


def _stack(source: Any) -> dict[str, np.ndarray]:
    # All at once: one by one, `source[i]` takes four times as long.
    examples = source.__getitems__(range(len(source)))
    return {
        "image": np.stack([example["image"] for example in examples]),
        "label": np.array([example["label"] for example in examples], np.int32),
    }


@contextlib.contextmanager
def _disk_full_as_os_error() -> Iterator[None]:
    # The writer of array_record reports every failure in the text of a RuntimeError.
    try:
        yield
    except RuntimeError as error:
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number) in str(error):
                raise OSError(number, os.strerror(number)) from error
        raise
