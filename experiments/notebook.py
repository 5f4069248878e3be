"""What the notebooks show: claims, figures and tables, from stored results."""

import pathlib
from collections.abc import Mapping

from experiments import document, intervals, plotting, report
from experiments.claims import Quantity, Study
from experiments.commands import main
from experiments.commands.options import RESULTS
from experiments.ledger import Judgement


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
        claim.id: report.judge(claim, results / study.name) for claim in study.claims
    }


def show(judgement: Judgement) -> None:
    """Shows a claim with its numbers, its verdict and its figure."""
    from IPython import display

    blocks: list[document.Block] = [
        document.Text(f"**{judgement.claim.id}: {judgement.verdict}**"),
        document.Text(judgement.claim.statement),
    ]
    if judgement.evidence is not None:
        blocks.append(_numbers(judgement))
    if judgement.findings:
        blocks.append(_findings(judgement))
    text = document.to_markdown(blocks, pathlib.Path())
    display.display(display.Markdown(text))
    if judgement.claim.figure is not None and judgement.evidence is not None:
        drawing = judgement.claim.figure.draw(judgement.evidence)
        display.display(display.Image(plotting.png(drawing)))


def compare(judgement: Judgement, *quantities: Quantity) -> None:
    """Shows further quantities of the runs of a claim, with their intervals."""
    from IPython import display

    if judgement.evidence is None:
        text = str(judgement.verdict)
    else:
        rows = tuple(
            (
                label,
                *(
                    intervals.interval([q.of(s) for s in some]).text(q.digits)
                    for q in quantities
                ),
            )
            for label, some in judgement.evidence.runs.items()
        )
        tiles = document.Tiles(("", *(q.name for q in quantities)), rows)
        text = document.to_markdown([tiles], pathlib.Path())
    display.display(display.Markdown(text))


def _numbers(judgement: Judgement) -> document.Tiles:
    claim, evidence = judgement.claim, judgement.evidence
    assert evidence is not None
    shown = report.digits(claim)
    rows = tuple(
        (label, value.text(shown), f"{claim.published.get(label, '')}")
        for label, value in evidence.values.items()
    )
    return document.Tiles(("", report.quantity(claim), "published"), rows)


def _findings(judgement: Judgement) -> document.Tiles:
    rows = tuple(
        (f.condition.text, f"{f.value:.4g}", "yes" if f.holds else "no")
        for f in judgement.findings
    )
    return document.Tiles(("the rule", "measured", "met"), rows)
