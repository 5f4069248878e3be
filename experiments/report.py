"""The ledger as Markdown: every claim with what was published, measured and decided."""

import pathlib
from collections.abc import Callable, Mapping, Sequence

from experiments.ledger import Judgement, Study

COMMAND = "python -m experiments reproduce {}"


def markdown(
    judgements: Sequence[tuple[Study, Sequence[Judgement]]],
    figure: Callable[[Study, str], str | None],
) -> str:
    """The whole report.

    Args:
      judgements: the claims of every study, judged.
      figure: where the image of a figure of this name is, None if it is not there.
    """
    parts = ["# What the papers claim, and what became of it", ""]
    parts += _overview([j for _, some in judgements for j in some])
    for study, some in judgements:
        parts += ["", f"## {study.title}"]
        for judgement in some:
            drawn = judgement.claim.figure
            image = figure(study, drawn.name) if drawn else None
            parts += ["", *_section(judgement, image)]
    return "\n".join(parts) + "\n"


def figure_path(results: pathlib.Path, study: Study, name: str) -> pathlib.Path:
    """Where the image of a figure is kept beside the tables of its study."""
    return results / study.name / f"{name}.png"


def published(judgement: Judgement) -> str:
    """The published values in one line."""
    digits = judgement.claim.quantity.digits
    values = judgement.claim.published.items()
    return ", ".join(f"{label} {_short(value, digits)}" for label, value in values)


def measured(judgement: Judgement) -> str:
    """The measured values in one line, each with its interval if it has one."""
    if judgement.evidence is None:
        return ""
    digits = judgement.claim.quantity.digits
    values = judgement.evidence.values.items()
    return ", ".join(f"{label} {value.text(digits)}" for label, value in values)


def _overview(judgements: Sequence[Judgement]) -> list[str]:
    lines = [
        "| claim | what is said | published | measured | verdict |",
        "|---|---|---|---|---|",
    ]
    for j in judgements:
        cells = (j.claim.id, j.claim.statement, published(j), measured(j), j.verdict)
        lines.append("| " + " | ".join(_cell(str(cell)) for cell in cells) + " |")
    return lines


def _section(judgement: Judgement, image: str | None) -> list[str]:
    claim = judgement.claim
    lines = [
        f"### {claim.id}: {judgement.verdict}",
        "",
        f"{claim.source}: {claim.statement}",
        "",
        f"- Protocol: {claim.protocol}.",
        f"- Quantity: {claim.quantity.name}.",
        f"- Published: {published(judgement)}.",
    ]
    if judgement.evidence is not None:
        lines.append(f"- Measured: {measured(judgement)}.")
        again = [label for label in claim.published if judgement.reproduced(label)]
        lines.append(
            f"- Published values within {claim.tolerance:g}: "
            f"{', '.join(again) or 'none'} ({len(again)} of {len(claim.published)})."
        )
    lines.append("- Rule:")
    found = {f.condition.text: f for f in judgement.findings}
    for condition in claim.rule:
        finding = found.get(condition.text)
        outcome = "not tried"
        if finding:
            outcome = f"{'yes' if finding.holds else 'no'}, {finding.value:.4g}"
        lines.append(f"  - {condition.text}: {outcome}.")
    if judgement.evidence is not None:
        summaries = [s for some in judgement.evidence.runs.values() for s in some]
        seconds = sum(s.result.seconds for s in summaries)
        versions = sorted({_versions(s.versions) for s in summaries})
        dates = sorted(s.date[:10] for s in summaries)
        lines += [
            f"- Runs: {len(summaries)}, trained in {seconds / 60:.1f} minutes, from "
            f"{dates[0]} to {dates[-1]}, with {'; '.join(versions)}.",
        ]
    lines.append(f"- Command: `{COMMAND.format(claim.id)}`")
    if image is not None:
        lines += ["", f"![{claim.source}]({image})"]
    return lines


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _short(value: float, digits: int) -> str:
    """A published value has the digits that could be read, not those measured."""
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
