"""Tables of results: rows are whole, intact and the last of their name, or refused."""

import errno
import json
import os
import subprocess
from concurrent import futures

import pandas
import pytest

from experiments.errors import OutputError, RunError
from experiments.runs import files, tables
from tests.experiments.messages import assert_one_sentence


def parse(row):
    return row["name"], row["value"]


def find(path, name):
    return tables.find(path, parse, name)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "new" / "table.jsonl"
    for name, value in (("a", 1.5), ("b", [0.25, 1e-9]), ("c", "é")):
        tables.append(path, {"name": name, "value": value})
    return path


def test_rows_are_read_back(table):
    assert [find(table, name) for name in "abc"] == [1.5, [0.25, 1e-9], "é"]
    assert find(table, "d") is None
    assert find(table.with_name("none"), "a") is None


def test_the_last_row_of_a_name_counts(table):
    tables.append(table, {"name": "a", "value": 2})
    assert find(table, "a") == 2


def test_a_table_is_parsed_once_until_it_changes(table):
    calls = []

    def counted(row):
        calls.append(row["name"])
        return parse(row)

    for _ in range(3):
        assert tables.find(table, counted, "b") == [0.25, 1e-9]
    assert calls == ["a", "b", "c"]
    tables.append(table, {"name": "d", "value": 4})
    assert tables.find(table, counted, "d") == 4


def test_pandas_reads_a_table(table):
    frame = pandas.read_json(table, lines=True)
    assert frame.name.tolist() == ["a", "b", "c"]
    assert frame.columns.tolist() == ["name", "value", "digest"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.25", "0.26"),
        ('"b"', '"e"'),
        ('"value"', '"valeu"'),
        (", ", ",  "),
        ('"digest"', '"digset"'),
        ("[", ""),
        ('"}\n{"name": "c"', '"} {"name": "c"'),
    ],
)
def test_a_changed_line_is_named_and_refused_and_the_others_are_read(table, old, new):
    says = f"Line 2 of {table} does not match its digest"
    head, line, rest = table.read_text().partition('{"name": "b"')
    assert old in line + rest
    table.write_text(head + (line + rest).replace(old, new, 1))
    for name in ("b", "d"):  # whose line it is cannot always be told
        with pytest.raises(RunError, match=says) as error:
            find(table, name)
        assert_one_sentence(str(error.value))
    assert find(table, "a") == 1.5


def test_a_changed_line_is_refused_where_an_earlier_one_is_intact(table):
    tables.append(table, {"name": "a", "value": 7})
    table.write_text(table.read_text().replace('"value": 7', '"value": 8'))
    with pytest.raises(RunError, match="Line 4"):
        find(table, "a")


def test_a_row_that_cannot_be_understood_is_named(table):
    tables.append(table, {"title": "of later versions"})
    with pytest.raises(RunError, match="Line 4 .* another version") as error:
        find(table, "title")
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize("torn", [1, 5, 30])
def test_a_last_line_that_was_torn_off_is_cut_away(table, caplog, torn):
    whole = table.read_bytes()
    tables.append(table, {"name": "d", "value": 4})
    table.write_bytes(table.read_bytes()[: -1 - torn])
    assert find(table, "d") is None
    assert find(table, "c") == "é"
    tables.append(table, {"name": "e", "value": 5})
    assert "torn off" in caplog.text
    assert find(table, "e") == 5
    assert table.read_bytes().startswith(whole + b'{"name": "e"')


def test_a_last_line_without_its_end_is_kept(table):
    table.write_bytes(table.read_bytes()[:-1])
    assert find(table, "c") == "é"
    tables.append(table, {"name": "d", "value": 4})
    assert [find(table, name) for name in "abcd"] == [1.5, [0.25, 1e-9], "é", 4]


def test_a_last_line_that_was_edited_is_not_taken_for_torn_off(table):
    tables.append(table, {"name": "d", "value": 4})
    edited = table.read_bytes().replace(b'"value": 4', b'"value": 5')[:-1]
    table.write_bytes(edited)
    for _ in range(2):
        with pytest.raises(RunError, match="Line 4 .* does not match its digest"):
            find(table, "d")
        tables.append(table, {"name": "e", "value": 6})
        assert table.read_bytes().startswith(edited)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_write_that_stops_half_way_leaves_no_trace(table, monkeypatch, error):
    before = table.read_bytes()

    def stopped(file, data):
        os.write(file, data[:10])
        raise error

    monkeypatch.setattr(files, "write_all", stopped)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        tables.append(table, {"name": "d", "value": 4})
    assert table.read_bytes() == before


def test_writers_wait_for_each_other(tmp_path):
    path = tmp_path / "table.jsonl"

    def write(name):
        for value in range(30):
            tables.append(path, {"name": f"{name}-{value}", "value": "x" * 500})

    # The lock is that of an open file: it parts threads as it parts processes.
    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(write, "abc"))
    assert find(path, "none") is None  # no line is bad
    assert (
        len({json.loads(line)["name"] for line in path.read_text().splitlines()}) == 90
    )


def test_two_branches_merge_by_keeping_the_rows_of_both(table):
    def git(*arguments):
        user = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *user, *arguments], cwd=table.parent, check=True)

    git("init", "--quiet", "--initial-branch=main")
    (table.parent / ".gitattributes").write_text("*.jsonl merge=union\n")
    for branch, base in (("main", None), ("left", "main"), ("right", "main")):
        if base:
            git("checkout", "--quiet", "-b", branch, base)
            tables.append(table, {"name": branch, "value": 1})
        git("add", ".")
        git("commit", "--quiet", "-m", branch)
    git("merge", "--quiet", "left", "-m", "both")
    assert [find(table, name) for name in ("a", "left", "right")] == [1.5, 1, 1]


def test_numbers_are_rounded_to_six_digits():
    tree = {"a": [1 / 3, 2], "b": (1e-9 / 3, "x", None, True)}
    assert tables.rounded(tree) == {
        "a": [0.333333, 2],
        "b": [3.33333e-10, "x", None, True],
    }


def test_results_of_an_earlier_version_are_not_taken_for_none(tmp_path):
    (tmp_path / "mlp-mas-seed-0-0123456789abcdef.json").write_text("{}")
    with pytest.raises(RunError, match="earlier version") as error:
        tables.find(tmp_path / "runs.jsonl", lambda row: ("", row), "a")
    assert_one_sentence(str(error.value))
