"""`report`: the ledger, from the tables of results alone."""

import functools
import os
import pathlib
import sys

from experiments import config, ledger, outputs, report, results
from experiments.commands import catalogue, options
from experiments.ledger import Study


def run(options: options.Report) -> int:
    """Judges all claims and writes the report."""
    if not options.results.is_dir():
        raise config.ConfigError(f"results must be a folder, got {options.results}.")
    beside = options.output.parent if options.output else pathlib.Path()

    def figure(study: Study, name: str) -> str | None:
        path = report.figure_path(options.results, study, name)
        if not path.exists():
            return None
        return pathlib.Path(os.path.relpath(path, beside)).as_posix()

    judgements = []
    for study in catalogue.STUDIES:
        load = functools.partial(results.load, options.results / study.name)
        some = [ledger.judge(claim, load) for claim in study.claims]
        judgements.append((study, some))
    text = report.markdown(judgements, figure)
    if options.output is None:
        sys.stdout.write(text)
    else:
        outputs.write(options.output, text.encode())
    return 0
