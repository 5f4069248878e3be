"""Fashion-MNIST through TFDS, without TensorFlow.

TFDS's own builder needs TensorFlow to prepare the set, for its image feature and its
extractor; this one needs neither, and takes addresses and checksums from that one.
"""

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from experiments.data import fashion_mnist_sources as sources
from experiments.data import tfds_files


class FashionMnist(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The published images and labels, in the published order."""

    name = "fashion_mnist"  # TFDS's registry keeps its own builder under it
    VERSION = tfds.core.Version("1.0.0")
    url_infos = sources.CHECKSUMS

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=(28, 28, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage=sources.HOMEPAGE,
            disable_shuffling=True,  # studies without shuffling need this very order
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        paths = dl_manager.download(sources.addresses())
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

    Args:
      building: folder that receives the files (`raw`) and the data set (`tfds`).
      earlier: folder that an earlier preparation may have filled.
      data_dir: folder with the four files, or None to look for them.

    Raises:
      DataError: if the files cannot be obtained or are not the published ones.
    """
    raw = building / "raw"
    sources.obtain(raw, data_dir, earlier / "raw")
    builder = FashionMnist(data_dir=building / "tfds", file_format="array_record")
    return tfds_files.prepare(builder, raw)


def _values(path: Path, dimensions: int) -> np.ndarray:
    # IDX: a magic number and the sizes of the dimensions, 4 bytes each, then the bytes.
    content = gzip.decompress(path.read_bytes())
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
