"""A text in rows of streams, to the character, and texts that will not do."""

import os
import pathlib
import tempfile

import numpy as np
import pytest

from experiments.data import datasets, war_and_peace
from experiments.errors import DataError
from tests.experiments import foreign
from tests.experiments.messages import assert_one_sentence
from tests.experiments.text_cases import LENGTH, STREAMS, TEXT, small_sizes


@pytest.fixture
def given(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


@pytest.fixture
def small(monkeypatch):
    small_sizes(monkeypatch)


def text_of(alphabet, rows):
    """A row of strings for each block."""
    characters = [["".join(map(chr, alphabet[row])) for row in rows]]
    return np.reshape(characters, (-1, STREAMS)).tolist()


@pytest.mark.parametrize("name", war_and_peace.FILES)
def test_layout(given, small, name):
    (given / name).write_text(TEXT)
    arrays = war_and_peace.build(given)
    assert set(arrays) == set(war_and_peace.ARRAYS)
    alphabet = arrays["alphabet"]
    assert "".join(map(chr, alphabet)) == "".join(sorted(set(TEXT)))
    test = 101  # a fifth of 503 characters
    for part, text, blocks in (("train", TEXT[:-test], 20), ("test", TEXT[-test:], 5)):
        inputs, labels = arrays[f"{part}_inputs"], arrays[f"{part}_labels"]
        assert (inputs.dtype, labels.dtype) == (np.uint8, np.int32)
        assert inputs.shape == labels.shape == (blocks * STREAMS, LENGTH)
        length = blocks * LENGTH
        for rows, shift in ((inputs, 0), (labels, 1)):
            streams = [text[s * length + shift :][:length] for s in range(STREAMS)]
            expected = [
                [stream[block * LENGTH : (block + 1) * LENGTH] for stream in streams]
                for block in range(blocks)
            ]
            assert text_of(alphabet, rows) == expected


def test_a_byte_order_mark_and_carriage_returns_are_dropped(given, small):
    (given / "input.txt").write_text(TEXT)
    plain = war_and_peace.build(given)
    windows = TEXT.replace("\n", "\r\n").encode("utf-8-sig")
    (given / "input.txt").write_bytes(windows)
    for name, array in war_and_peace.build(given).items():
        np.testing.assert_array_equal(array, plain[name])


def test_loaded_as_a_user_loads_it(given, small, tmp_path, monkeypatch):
    monkeypatch.setenv("OPTAX_SIGN_CACHE", str(tmp_path / "cache"))
    (given / "input.txt").write_text(TEXT)
    first = datasets.load("war_and_peace", given)
    assert first.kind == "characters"
    assert not first.train_inputs.flags.writeable
    again = datasets.load("war_and_peace")  # from the cache
    np.testing.assert_array_equal(again.train_labels, first.train_labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no text of War and Peace, which should be called warpeace_input"),
        (TEXT[1:].encode(), "is another text than the one that https://cs.stanford"),
        (bytes(range(1, 256)) * 3, "is not a text in UTF-8: byte 127 is not"),
    ],
)
def test_texts_that_will_not_do(given, small, content, message):
    if content is not None:
        (given / "input.txt").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        war_and_peace.build(given)
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, foreign.huge])
def test_what_is_no_text_is_named_at_once(given, make):
    make(given / "input.txt")
    with pytest.raises(DataError, match="input.txt cannot be read .* --data-dir") as e:
        war_and_peace.build(given)
    assert_one_sentence(str(e.value))


def test_a_folder_of_another_user_blames_data_dir():
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0)
        with foreign.as_nobody(), pytest.raises(DataError, match="Permission") as error:
            war_and_peace.build(pathlib.Path(place))
        os.chmod(place, 0o700)
    assert "--data-dir" in str(error.value)
    assert_one_sentence(str(error.value))


def test_a_text_is_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("OPTAX_SIGN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="--data-dir a folder with it as warp") as error:
        datasets.load("war_and_peace")
    assert_one_sentence(str(error.value))
