"""`report`: the ledger, from the tables of results alone."""

import dataclasses
import pathlib
import sys
from collections.abc import Mapping
from typing import Annotated

from tyro.conf import arg

from experiments.claims import report
from experiments.claims.claim import Study
from experiments.claims.judge import Judgement, judge_stored
from experiments.commands.train import Path
from experiments.errors import ConfigError
from experiments.runs import files

# The results that come with the code.
RESULTS = pathlib.Path(__file__).parents[1] / "results"

# Around a table in a file that has more to say.
BEGIN, END = "<!-- {} -->", "<!-- end of {} -->"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Writes the ledger: every claim, what was measured, and the verdict.

    Example: python -m experiments report --output report.html

    Attributes:
      results: folder of tables of results, as `reproduce` writes them (default: those
        that come with the code).
      output: file for the report, one page of HTML if it ends in .html, else Markdown;
        without it the report is printed.
      tables: file, as README.md, whose table of optimizers, of verdicts or both is
        brought up to date; comments around it tell where. It leads to the output.
    """

    results: Annotated[pathlib.Path, arg(help_behavior_hint="")] = RESULTS
    output: Path = None
    tables: Path = None


def run(options: Report) -> int:
    """Judges all claims and writes the report."""
    if not options.results.is_dir():
        raise ConfigError(
            f"results must be a folder of tables as reproduce writes them, got "
            f"{options.results}."
        )
    suffix = options.output.suffix if options.output else ".md"
    if suffix not in (".html", ".md"):
        raise ConfigError(f"output must end in .html or .md, got {options.output}.")
    if options.tables is not None and options.output is None:
        raise ConfigError(
            f"tables must come with an output to lead to, got {options.tables} alone."
        )
    judged = judge(options.results)
    if options.output is None:
        sys.stdout.write(report.markdown(judged, options.results, pathlib.Path()))
        return 0
    folder = options.output.parent
    text = report.markdown(judged, options.results, folder)
    from experiments.claims import page

    texts = {options.output: page.page(text, folder) if suffix == ".html" else text}
    if options.tables is not None:
        link = report.relative(options.output, options.tables.parent)
        every = [j for _, some in judged for j in some]
        tables = {
            "optimizers": report.optimizers(link),
            "verdicts": report.verdicts(every, link),
        }
        texts[options.tables] = _with_tables(options.tables, tables)
    for path, text in texts.items():
        files.write_output(path, text.encode())
    return 0


def judge(results: pathlib.Path) -> list[tuple[Study, list[Judgement]]]:
    """All claims of all studies, from the tables in this folder."""
    from experiments.studies import catalogue

    return [
        (study, [judge_stored(claim, results / study.name) for claim in study.claims])
        for study in catalogue.STUDIES
    ]


def _with_tables(path: pathlib.Path, tables: Mapping[str, str]) -> str:
    """The text of a file with those of the tables that it has marks for."""
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        text = ""
    marks = {name: (BEGIN.format(name), END.format(name)) for name in tables}
    marked = [name for name, (begin, _) in marks.items() if begin in text]
    for name in marked:
        begin, end = marks[name]
        before, _, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not ended:
            raise ConfigError(f"tables must have {end!r} after {begin!r}, got {path}.")
        text = f"{before}{begin}\n{tables[name]}{end}{after}"
    if not marked:
        pairs = " or ".join(f"{begin!r} and {end!r}" for begin, end in marks.values())
        raise ConfigError(
            f"tables must be an existing text file with {pairs}, got {path}."
        )
    return text
