"""Optimizers as words of the command line."""

import pytest

from experiments.errors import ConfigError
from experiments.runs import config, spelling
from experiments.runs.config import Optimizer, Schedule
from tests.experiments.messages import assert_one_sentence


def test_a_word_is_read():
    read = spelling.parse(
        "adam,learning_rate=0.01,b1=0.5,nesterov=True,mu_dtype=bfloat16,eps=none,k=7"
    )
    options = (
        *(("b1", 0.5), ("eps", None), ("k", 7)),
        *(("mu_dtype", "bfloat16"), ("nesterov", True)),
    )
    assert read == Optimizer(name="adam", learning_rate=0.01, options=options)
    assert [type(v) for _, v in read.options] == [float, type(None), int, str, bool]


@pytest.mark.parametrize("name", config.OPTIMIZERS)
def test_a_name_alone_has_a_rate(name):
    assert spelling.parse(name).learning_rate == spelling.RATES[name]


def test_the_schedule_is_passed_on():
    cosine = Schedule(name="cosine")
    assert spelling.parse("mas", cosine).schedule == cosine


@pytest.mark.parametrize("word", ["mas", "adam,b1=0.5,mu_dtype=bfloat16,eps=1e-07"])
def test_what_is_spelled_is_read_back(word):
    optimizer = spelling.parse(word)
    assert spelling.parse(spelling.spell(optimizer)) == optimizer


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("mass", "perhaps 'mas'"),
        ("", "Unknown optimizer ''"),
        ("mas,", "name,option=value"),
        ("mas,beta", "name,option=value"),
        ("mas,beta=", "name,option=value"),
        ("mas,beta=0.5,beta=0.9", "each option once"),
        ("mas,learning_rate=-1", "learning_rate must be > 0, got -1"),
        ("mas,learning_rate=fast", "learning_rate must be a number"),
        ("mas,learning_rate=nan", "learning_rate must be finite"),
    ],
)
def test_a_bad_word_is_rejected_in_one_sentence(word, says):
    with pytest.raises(ConfigError) as error:
        spelling.parse(word)
    assert says in str(error.value)
    assert_one_sentence(str(error.value))
