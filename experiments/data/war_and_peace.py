"""The characters of War and Peace, laid out for a network that reads on.

The text is cut into its first four fifths, to train, and its last fifth, to test: the
share that DeepOBS, the benchmark suite by the authors of Dissecting Adam, keeps for
tests (653,237 characters of its edition). Each part is cut into 50 streams of equal
length, and what is left over at its end is dropped. A row is 50 characters of a stream;
the first 50 rows are the starts of the streams, the next 50 go on with each of them,
and so on. So batches of 50 rows in the stored order are the blocks that the paper
trains on, as its models, char-rnn-tensorflow and DeepOBS, lay them out.

The paper counts 83 characters. The text of char-rnn has 82 without its byte order mark
and carriage returns, which are dropped here; that the mark was the paper's 83rd is a
guess. Other editions are refused: runs are named by their data set.
"""

import contextlib
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.data import reading
from experiments.errors import DataError

STREAMS = 50
LENGTH = 50
MOST = 64 << 20  # bytes, many times the novel
TEST_SHARE = 0.2
FILES = ("warpeace_input.txt", "war_and_peace.txt", "input.txt")
# Of the text in UTF-8, without byte order mark and carriage returns.
SHA256 = "b0fc81c399971eaf738c8be89809e6a0d95c151749112b04f06b6af648d8a39f"
HOMEPAGE = "https://cs.stanford.edu/people/karpathy/char-rnn/"
ARRAYS = (*("train_inputs", "train_labels", "test_inputs", "test_labels"), "alphabet")


def build(data_dir: Path | None) -> Mapping[str, np.ndarray]:
    """Reads the text and lays it out.

    Args:
      data_dir: folder with the text under one of the names in `FILES`.

    Returns:
      The arrays named in `ARRAYS`: characters as indices into the alphabet, uint8
      [rows, 50], those that follow them, int32 [rows, 50], and the alphabet, int32
      [characters], as code points in increasing order.

    Raises:
      DataError: there is no text, or none that can be laid out.
    """
    if data_dir is None:
        raise DataError(
            f"The text of War and Peace is not downloaded, since editions differ: pass "
            f"--data-dir a folder with it as {' or '.join(FILES)}, which {HOMEPAGE} "
            f"offers."
        )
    for name in FILES:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return _arrays(_read(data_dir / name))
    raise DataError(
        f"The folder {data_dir} holds no text of War and Peace, which should be called "
        f"{' or '.join(FILES)}."
    )


def _read(path: Path) -> str:
    try:
        with (
            reading.opened(path, MOST) as file,
            io.TextIOWrapper(file, "utf-8-sig") as text_of,  # without byte order mark
        ):
            text = text_of.read()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): give --data-dir a folder whose "
            f"text can be."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not a text in UTF-8: byte {error.start} is not part of one."
        ) from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest != SHA256:
        raise DataError(
            f"{path} is another text than the one that {HOMEPAGE} offers: its SHA-256 "
            f"(in UTF-8, without byte order mark and carriage returns) is {digest}, "
            f"not {SHA256}."
        )
    return text


def _arrays(text: str) -> Mapping[str, np.ndarray]:
    codes = np.frombuffer(text.encode("utf-32-le"), np.int32)
    alphabet, indices = np.unique(codes, return_inverse=True)
    test = round(len(indices) * TEST_SHARE)
    parts = {"train": indices[:-test], "test": indices[-test:]}
    arrays: dict[str, np.ndarray] = {"alphabet": alphabet}
    for name, part in parts.items():
        arrays[f"{name}_inputs"] = _rows(part[:-1]).astype(np.uint8)
        arrays[f"{name}_labels"] = _rows(part[1:]).astype(np.int32)
    return arrays


def _rows(characters: np.ndarray) -> np.ndarray:
    blocks = len(characters) // (STREAMS * LENGTH)
    whole = characters[: blocks * STREAMS * LENGTH]
    rows = whole.reshape(STREAMS, blocks, LENGTH).swapaxes(0, 1)
    return np.ascontiguousarray(rows.reshape(-1, LENGTH))
