"""From files as published to stacked arrays, through a TFDS data set on disk."""

import contextlib
import errno
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds


def prepare(
    builder: tfds.core.GeneratorBasedBuilder, raw: Path
) -> Mapping[str, np.ndarray]:
    """Prepares a data set of images and stacks what it reads from it.

    Args:
      builder: of the data set, with the features "image" and "label".
      raw: folder with its files, which TFDS checks once more.

    Returns:
      For the splits "train" and "test", uint8 images [N, height, width, channels] and
      int32 labels [N], named as in "train_images".

    Raises:
      OSError: the disk is full.
    """
    tfds.display_progress_bar(enable=sys.stderr.isatty())
    with (
        _disk_full_as_os_error(),
        contextlib.redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory(dir=raw.parent) as empty,
    ):
        builder.download_and_prepare(
            download_dir=empty,
            download_config=tfds.download.DownloadConfig(
                manual_dir=raw, try_download_gcs=False, force_checksums_validation=True
            ),
        )
    return {
        f"{split}_{field}s": array
        for split in ("train", "test")
        for field, array in _stack(builder.as_data_source(split)).items()
    }


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
