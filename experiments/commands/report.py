"""`report`: the ledger, from the tables of results alone."""

import pathlib
import sys

from experiments import config, document, outputs, report
from experiments.commands import catalogue, options

HTML = (".html", ".htm")


def run(options: options.Report) -> int:
    """Judges all claims and writes the report."""
    if not options.results.is_dir():
        raise config.ConfigError(f"results must be a folder, got {options.results}.")
    judgements = [
        (study, [report.judge(c, options.results / study.name) for c in study.claims])
        for study in catalogue.STUDIES
    ]
    blocks = report.document(judgements, options.results)
    if options.output is None:
        sys.stdout.write(document.to_markdown(blocks, pathlib.Path()))
    elif options.output.suffix in HTML:
        outputs.write(options.output, document.to_html(blocks).encode())
    else:
        text = document.to_markdown(blocks, options.output.parent)
        outputs.write(options.output, text.encode())
    return 0
