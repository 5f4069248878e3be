"""`report`: the ledger, from the tables of results alone."""

import pathlib
import sys
from collections.abc import Mapping

from experiments.claims import page, report
from experiments.claims.claim import Study
from experiments.claims.judge import Judgement
from experiments.commands import options
from experiments.errors import ConfigError
from experiments.runs import outputs
from experiments.studies import catalogue

# Around a table in a file that has more to say.
BEGIN, END = "<!-- {} -->", "<!-- end of {} -->"


def run(options: options.Report) -> int:
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
        outputs.write(path, text.encode())
    return 0


def judge(results: pathlib.Path) -> list[tuple[Study, list[Judgement]]]:
    """All claims of all studies, from the tables in this folder."""
    return [
        (study, [report.judge(claim, results / study.name) for claim in study.claims])
        for study in catalogue.STUDIES
    ]


def _with_tables(path: pathlib.Path, tables: Mapping[str, str]) -> str:
    """The text of a file with these tables in the place of earlier ones."""
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        text = ""
    for name, table in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, begun, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not begun or not ended:
            raise ConfigError(
                f"tables must be an existing text file with {begin!r} and then "
                f"{end!r}, got {path}."
            )
        text = f"{before}{begin}\n{table}{end}{after}"
    return text
