"""What a user sees of a claim that has been tried."""

import math

from rich.console import Console
from rich.table import Table

from experiments import values
from experiments.claims import Calculation
from experiments.intervals import interval
from experiments.ledger import Judgement


def show(console: Console, judgement: Judgement) -> None:
    """Prints a claim, what was measured, and the verdict."""
    claim, evidence = judgement.claim, judgement.evidence
    console.print()
    console.print(f"{claim.id} ({claim.source}): {claim.statement}", soft_wrap=True)
    if evidence is not None:
        calculated = isinstance(claim.trial, Calculation)
        console.print((_numbers if calculated else _runs)(judgement))
    for finding in judgement.findings:
        word = "yes" if finding.holds else "no"
        console.print(
            f"  {finding.condition.text}: {word}, {finding.value:.4g}", soft_wrap=True
        )
    console.print(f"Verdict: {judgement.verdict}", soft_wrap=True)


def _numbers(judgement: Judgement) -> Table:
    assert judgement.evidence is not None
    table = _table(judgement)
    for label, value in judgement.evidence.values.items():
        table.add_row(
            label,
            value.text(values.digits(judgement.claim)),
            *_published(judgement, label),
        )
    return table


def _runs(judgement: Judgement) -> Table:
    evidence = judgement.evidence
    assert evidence is not None
    table = _table(judgement, "test accuracy, %", "state, bytes", "a weight", "seconds")
    for label, summaries in evidence.runs.items():
        accuracies = [
            100 * s.result.metrics.get("test_accuracy", math.nan) for s in summaries
        ]
        table.add_row(
            label,
            evidence.values[label].text(values.digits(judgement.claim)),
            *_published(judgement, label),
            interval(accuracies).text(2),
            f"{summaries[0].result.state_bytes:,}",
            f"{summaries[0].bytes_per_weight:.2f}",
            f"{sum(s.result.seconds for s in summaries):.1f}",
        )
    return table


def _table(judgement: Judgement, *more: str) -> Table:
    claim = judgement.claim
    heads = [values.quantity(claim)]
    if claim.published:
        heads += ["published", f"within {claim.tolerance:g}"]
    table = Table()
    table.add_column("")
    for head in (*heads, *more):
        table.add_column(head, justify="right")
    return table


def _published(judgement: Judgement, label: str) -> tuple[str, ...]:
    claim = judgement.claim
    if not claim.published:
        return ()
    if label not in claim.published:
        return "", ""
    value = values.short(claim.published[label], values.digits(claim))
    return value, "yes" if judgement.reproduced(label) else "no"
