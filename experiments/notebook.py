"""What the notebooks show: claims, figures and tables, from stored results."""

import pathlib
from collections.abc import Mapping

from markdown_it import MarkdownIt

from experiments.claims import figures, report
from experiments.claims.claim import Study
from experiments.claims.judge import Judgement, judge_stored
from experiments.commands import main
from experiments.commands.report import RESULTS

# Of figures: those beside the results are sharper, and every notebook holds its own.
DPI = 100


def judge(
    study: Study, retrain: bool = False, results: pathlib.Path = RESULTS
) -> Mapping[str, Judgement]:
    """The claims of a study by id, each with its verdict.

    Args:
      study: the study.
      retrain: train and calculate first what has no stored results, which may take
        hours.
      results: folder of the tables; those that come with the code by default.

    Raises:
      RuntimeError: training was interrupted or failed.
    """
    if retrain:
        code = main.main(["reproduce", study.name, "--output", str(results)])
        if code not in (0, 1):  # 1: a run diverged, which the figures show
            raise RuntimeError(f"reproduce ended with exit code {code}.")
    return {
        claim.id: judge_stored(claim, results / study.name) for claim in study.claims
    }


def show(judgement: Judgement) -> None:
    """Shows a claim with its verdict, numbers and figure; its rule can be opened."""
    from IPython import display

    claim = judgement.claim
    parts = [f"{claim.id} {report.verdict(judgement, '**')}", claim.statement]
    if judgement.evidence is not None:
        parts.append(report.seeds(judgement))
        parts.append(report.table(report.numbers(judgement)))
    if judgement.findings:
        rule = report.table(report.parts(judgement))
        rule = MarkdownIt().enable("table").render(rule)
        summary = "<summary>What must be true, and what was measured</summary>"
        parts.append(f"<details>{summary}\n{rule}</details>")
    display.display(display.Markdown("\n\n".join(map(str.rstrip, parts)) + "\n"))
    if claim.figure is not None and judgement.evidence is not None:
        drawing = claim.figure.draw(judgement.evidence)
        display.display(display.Image(figures.png(drawing, DPI)))
