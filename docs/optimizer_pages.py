"""The pages that nobody writes: one an optimizer, and the rates that were found best.

They are made from the guide, the claims and the stored results at every build, so that
a new optimizer has its page as soon as the guide has its entry.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable

import jinja2

from experiments import notebook
from experiments.claims import guide
from experiments.claims.judge import Judgement
from experiments.studies.catalogue import STUDIES

DOCS = pathlib.Path(__file__).parent
PAGES = DOCS / "optimizers"
RESULTS = "../../experiments/results"  # seen from there


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rates:
    """What a search for a learning rate found.

    Attributes:
      optimizer: with its hyper-parameters.
      network: that was trained.
      best: the rate found.
      tried: all rates, the largest first.
      unstable: those among them at which training failed.
    """

    optimizer: str
    network: str
    best: float
    tried: tuple[float, ...]
    unstable: tuple[float, ...]


def setup(app):
    """Lets Sphinx have the pages written before it looks for pages."""
    app.connect("builder-inited", lambda app: write())
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write() -> None:
    """Writes the pages that have changed and removes those of optimizers that went."""
    claims: dict[str, Judgement] = {}
    figures = {}
    for study in STUDIES:
        for name, judgement in notebook.judge(study).items():
            claims[name] = judgement
            if judgement.claim.figure:
                figures[name] = (
                    f"{RESULTS}/{study.name}/{judgement.claim.figure.name}.png"
                )
    found = _rates(claims.values())
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(DOCS / "_templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def render(template, **values):
        return templates.get_template(template).render(**values)

    pages = {
        "index": render("optimizers.md", entries=guide.ENTRIES),
        "rates": render("rates.md", found=found),
    }
    for entry in guide.ENTRIES:
        pages[entry.name] = render(
            "optimizer.md",
            entry=entry,
            claims=[claims[claim] for claim in entry.claims],
            figures=figures,
            found={r: ids for r, ids in found.items() if set(ids) & set(entry.claims)},
        )
    PAGES.mkdir(exist_ok=True)
    for page in PAGES.glob("*.md"):
        if page.stem not in pages:
            page.unlink()
    for name, text in pages.items():
        page = PAGES / f"{name}.md"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            # Whole or not at all: another build may be reading it.
            new = page.with_suffix(f".{os.getpid()}")
            new.write_text(text, encoding="utf-8")
            new.replace(page)


def _rates(judgements: Iterable[Judgement]) -> dict[Rates, list[str]]:
    """Every search, with the claims that rest on it."""
    found: dict[Rates, list[str]] = {}
    for judgement in judgements:
        searches = judgement.evidence.searches if judgement.evidence else {}
        for search in searches.values():
            if search.best is None:
                continue
            run = search.tried[search.best].run
            options = [f"{name} = {value}" for name, value in run.optimizer.options]
            rates = Rates(
                optimizer=", ".join((run.optimizer.name, *options)),
                network=run.model,
                best=search.best,
                tried=tuple(sorted(search.tried, reverse=True)),
                unstable=tuple(r for r in search.tried if r not in search.scores),
            )
            claims = found.setdefault(rates, [])
            if judgement.claim.id not in claims:
                claims.append(judgement.claim.id)
    return found


def _skip(app, what, name, thing, skip, options):
    """Leaves the optimizers, which have their pages, out of the reference."""
    if what == "class" or name in {entry.name for entry in guide.ENTRIES}:
        return True
    return None
