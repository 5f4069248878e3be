"""All studies, and the claims that a user asks for by name."""

from collections.abc import Sequence

from experiments.claims.claim import Claim, Study
from experiments.errors import ConfigError, unknown
from experiments.studies import adarem, dissecting_adam, mas, tutorials

STUDIES = (mas.STUDY, dissecting_adam.STUDY, adarem.STUDY, tutorials.STUDY)


def select(names: Sequence[str]) -> list[tuple[Study, Claim]]:
    """The claims of these names, each once, in the order of the report.

    Args:
      names: of claims ("mas-1"), of studies ("mas"), or "all".

    Raises:
      ConfigError: a name is unknown, or there is none.
    """
    every = [(study, claim) for study in STUDIES for claim in study.claims]
    valid = [
        *(claim.id for _, claim in every),
        *(study.name for study in STUDIES),
        "all",
    ]
    if not names:
        raise ConfigError(
            f"reproduce needs one claim at least: valid are {', '.join(valid)}."
        )
    for name in names:
        if name not in valid:
            raise unknown("claim", name, valid)
    return [
        (study, claim)
        for study, claim in every
        if claim.id in names or not claim.costly and {study.name, "all"} & set(names)
    ]


def left_out(names: Sequence[str]) -> list[tuple[Study, Claim]]:
    """Claims that the names of studies, or "all", would take if they cost less."""
    return [
        (study, claim)
        for study in STUDIES
        for claim in study.claims
        if claim.costly and claim.id not in names and {study.name, "all"} & set(names)
    ]
