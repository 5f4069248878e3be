"""What a user sees of a claim that has been tried."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from experiments.claims import report
from experiments.claims.judge import Judgement
from experiments.runs.summary import Summary


def show(console: Console, judgement: Judgement) -> None:
    """Prints a claim, what was measured, and the verdict."""
    claim = judgement.claim
    console.print()
    console.print(f"{claim.id} ({claim.source}): {claim.statement}", soft_wrap=True)
    if judgement.evidence is not None:
        console.print(_table(judgement))
    for finding in judgement.findings:
        word = "yes" if finding.holds else "no"
        console.print(
            f"  {finding.condition.text}: {word}, {finding.value:.4g}", soft_wrap=True
        )
    console.print(f"Verdict: {judgement.verdict}", soft_wrap=True)


def _table(judgement: Judgement) -> Table:
    """The numbers of the report and, of runs, what they cost."""
    evidence = judgement.evidence
    assert evidence is not None
    numbers = report.numbers(judgement)
    costs = ("state, bytes", "a weight", "seconds") if evidence.runs else ()
    table = Table("")
    for head in (*numbers.head[1:], *costs):
        table.add_column(head, justify="right")
    for label, row in zip(evidence.values, numbers.rows, strict=True):
        cost = _cost(evidence.runs[label]) if evidence.runs else ()
        table.add_row(*map(str, row), *cost)
    return table


def _cost(summaries: Sequence[Summary]) -> tuple[str, str, str]:
    return (
        f"{summaries[0].result.state_bytes:,}",
        f"{summaries[0].bytes_per_weight:.2f}",
        f"{sum(s.result.seconds for s in summaries):.1f}",
    )
