"""`report`: the ledger, from the tables of results alone."""

import pathlib
import sys
from collections.abc import Sequence

from experiments import config, document, outputs, report
from experiments.claims import Study
from experiments.commands import catalogue, options
from experiments.ledger import Judgement

# Around the table of verdicts in a file that has more to say.
BEGIN, END = "<!-- verdicts -->", "<!-- end of verdicts -->"


def run(options: options.Report) -> int:
    """Judges all claims and writes the report."""
    if not options.results.is_dir():
        raise config.ConfigError(
            f"results must be a folder of tables as reproduce writes them, got "
            f"{options.results}."
        )
    suffix = options.output.suffix if options.output else ".md"
    if suffix not in (".html", ".md"):
        raise config.ConfigError(
            f"output must end in .html or .md, got {options.output}."
        )
    judgements = judge(options.results)
    if options.verdicts is not None:
        every = [j for _, some in judgements for j in some]
        _update(options.verdicts, every, options.output)
        if options.output is None:
            return 0
    blocks = report.document(judgements, options.results)
    if options.output is None:
        sys.stdout.write(document.to_markdown(blocks, pathlib.Path()))
    elif suffix == ".html":
        outputs.write(options.output, document.to_html(blocks).encode())
    else:
        text = document.to_markdown(blocks, options.output.parent)
        outputs.write(options.output, text.encode())
    return 0


def judge(results: pathlib.Path) -> list[tuple[Study, list[Judgement]]]:
    """All claims of all studies, from the tables in this folder."""
    return [
        (study, [report.judge(claim, results / study.name) for claim in study.claims])
        for study in catalogue.STUDIES
    ]


def _update(
    path: pathlib.Path, judgements: Sequence[Judgement], page: pathlib.Path | None
) -> None:
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        text = ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise config.ConfigError(
            f"verdicts must be an existing text file with {BEGIN!r} and then {END!r}, "
            f"got {path}."
        )
    table = document.to_markdown([report.verdicts(judgements, page)], path.parent)
    outputs.write(path, f"{before}{BEGIN}\n{table}{END}{after}".encode())
