"""`report`: every claim with its verdict, from the tables of results alone."""

import dataclasses
import pathlib
import sys
from typing import Annotated

from tyro.conf import arg

from experiments.claims import report
from experiments.claims.claim import Study
from experiments.claims.judge import Judgement, judge_stored
from experiments.commands.train import Path
from experiments.errors import ConfigError, RunError
from experiments.runs import files

# The results that come with the code.
RESULTS = pathlib.Path(__file__).parents[1] / "results"

# Around the table of optimizers in a file that has more to say.
BEGIN, END = "<!-- optimizers -->", "<!-- end of optimizers -->"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Writes the report: every claim, what was measured, and the verdict.

    Example: python -m experiments report --output report.html

    Attributes:
      results: folder of tables of results, as `reproduce` writes them (default: those
        that come with the code).
      output: file for the report, one page of HTML if it ends in .html, else Markdown;
        without it the report is printed.
      tables: file, as README.md, whose table of optimizers is brought up to date;
        comments around it tell where it is. It leads to the output.
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
        texts[options.tables] = _with_table(options.tables, report.optimizers(link))
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


def _with_table(path: pathlib.Path, table: str) -> str:
    """The text of a file with this table in the place of an earlier one."""
    try:
        text = (files.read_bytes(path) or b"").decode()
    except (RunError, UnicodeDecodeError):
        text = ""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ConfigError(
            f"tables must be an existing text file with {BEGIN!r} and then {END!r}, "
            f"got {path}."
        )
    return f"{before}{BEGIN}\n{table}{END}{after}"
