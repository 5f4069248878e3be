"""The figures of the tutorials are drawn, and the claims judged, from their tables."""

import json

import numpy as np
import pytest

from experiments.claims.claim import Evidence
from experiments.claims.figures import png
from experiments.runs import tables
from experiments.studies import tutorials
from experiments.studies.tutorials import drawing, drawing_surfaces, minima
from experiments.studies.tutorials.tutorials_ravine import FLATNESS, MINIMA

TRAINED = (MINIMA, FLATNESS)
EXACT = [claim for claim in tutorials.STUDY.claims if claim not in TRAINED]


def tried(claim, table):
    """What the report makes of a table, once it is stored."""
    stored = json.loads(json.dumps(tables.rounded(table), allow_nan=False))
    return Evidence(values=claim.trial.values(stored), table=stored)


def check(claim, evidence):
    for condition in claim.rule:
        assert np.isfinite(condition.measure(evidence)), condition.text
    assert evidence.values.keys() >= claim.published.keys()
    if claim.figure is not None:
        assert png(claim.figure.draw(evidence))


@pytest.mark.slow
@pytest.mark.parametrize("claim", EXACT, ids=lambda claim: claim.id)
def test_a_claim_is_tried_and_drawn_from_its_stored_table(claim):
    check(claim, tried(claim, claim.trial.table()))


def test_final_points_are_tried_and_drawn_after_a_few_steps():
    for claim, table in zip(TRAINED, (minima.barriers, minima.curvatures), strict=True):
        check(claim, tried(claim, table(steps=3, seeds=2)))


def test_the_corners_are_the_methods_of_the_plane():
    methods, corners = minima.METHODS, drawing_surfaces.CORNERS
    assert tuple(corners) == tuple(methods)
    assert list(corners.values()) == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_a_trajectory_goes_from_dark_to_bright():
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    drawing.trajectory(axes, np.cumsum(np.ones((6, 2)), axis=0))
    lines = axes.collections[0]
    lines.update_scalarmappable()
    lightness = lines.get_colors()[:, :3].sum(axis=1)
    assert len(lightness) == 5 and (np.diff(lightness) > 0).all()
