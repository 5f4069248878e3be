"""Figures: what is on them, and that they can be told apart in grey."""

import itertools

import numpy as np
import pytest
from matplotlib import colors, image

from experiments.claims import figures
from experiments.style import STYLES
from tests.experiments.summaries import FRAME, PUBLISHED, RUNS, changed, loaded, summary


def curves(**losses):
    load = loaded(**losses)
    return {label: [load(run) for run in runs] for label, runs in RUNS.items()}


def test_a_figure_has_axes_units_legend_and_every_curve():
    drawing = figures.losses(*FRAME, curves(), PUBLISHED)
    (axes,) = drawing.axes
    assert axes.get_title() == "A title"
    assert "step" in axes.get_xlabel()
    assert "nats" in axes.get_ylabel()
    assert axes.get_ylim() == (0.0, 2.0)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        "MaS (published: 0.50)",
        "Adam (published: 0.50)",
        "SGD (published: 0.90)",
    ]
    line = next(line for line in axes.lines if line.get_label().startswith("MaS"))
    np.testing.assert_array_equal(line.get_xydata(), [[1, 2], [51, 1], [100, 0.5]])
    marks = {
        tuple(*line.get_xydata()) for line in axes.lines if len(line.get_xdata()) == 1
    }
    assert marks == {(100, 0.5), (100, 0.9)}


def test_the_mean_of_the_seeds_is_drawn_in_a_band_of_their_deviation():
    low, high = (
        summary(run, loss) for run, loss in zip(RUNS["MaS"], (0.4, 0.6), strict=True)
    )
    drawing = figures.losses(*FRAME, {"MaS": [low, high]}, {})
    (axes,) = drawing.axes
    assert axes.lines[0].get_ydata()[-1] == pytest.approx(0.5)
    (band,) = axes.collections
    at_end = [y for x, y in band.get_paths()[0].vertices if x == 100]
    deviation = np.std([0.4, 0.6], ddof=1)
    assert (min(at_end), max(at_end)) == pytest.approx(
        (0.5 - deviation, 0.5 + deviation)
    )
    assert "2 seeds, mean and standard deviation" in figures.full_caption(
        FRAME[1], {"MaS": [low, high]}
    )


def test_a_diverged_run_is_in_the_caption():
    runs = curves()
    lost, kept = runs["SGD"]
    runs["SGD"] = [
        changed(lost, result=summary(lost.run, status="diverged").result),
        kept,
    ]
    text = figures.full_caption(FRAME[1], runs).replace("\n", " ")
    assert text.endswith(
        "SGD: 1 of 2 diverged at step 100 (not drawn, but counted in tables)."
    )
    runs["SGD"] = runs["SGD"][:1]
    (axes,) = figures.losses(*FRAME, runs, {}).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["MaS", "Adam", "SGD (failed)"]


def test_a_run_no_better_than_a_guess_is_named_and_leaves_the_mean_alone():
    stuck, kept = RUNS["SGD"]
    lost = summary(kept, status="diverged")
    runs = {"SGD": [summary(stuck, loss=2.3), lost, summary(kept)]}
    drawing = figures.losses(*FRAME, runs, {})
    (axes,) = drawing.axes
    assert axes.lines[0].get_ydata()[-1] == 0.5
    text = drawing.get_supxlabel().replace("\n", " ")
    fate = "ended no better than a guess (not drawn, but counted in tables)"
    assert f"SGD: 1 of 3 {fate}." in text
    assert "SGD: 1 of 3 diverged at step 100 (not drawn" in text


def test_an_image_is_drawn_without_a_screen(tmp_path):
    path = tmp_path / "figure.png"
    path.write_bytes(figures.png(figures.losses(*FRAME, curves(), {})))
    pixels = image.imread(path)
    assert pixels.shape == (704, 1024, 4)  # 6.4 x 4.4 inches of 160 dots
    assert pixels[..., :3].std() > 0.05  # not an empty sheet


def test_more_curves_than_styles_are_refused():
    run = RUNS["MaS"][0]
    many = {str(n): [summary(run)] for n in range(len(STYLES) + 1)}
    with pytest.raises(ValueError, match="curves must be at most"):
        figures.losses(*FRAME, many, {})


def test_a_figure_has_its_texts_and_its_lines_take_the_colours_in_turn():
    with figures.figure(4, 3, "above", "below") as drawing:
        axes = drawing.add_subplot()
        for _ in STYLES:
            axes.plot([0, 1])
    assert (drawing.get_suptitle(), drawing.get_supxlabel()) == ("above", "below")
    assert [line.get_color() for line in axes.lines] == [c for c, _ in STYLES]


def test_styles_can_be_told_apart_in_grey():
    greys = [np.dot(colors.to_rgb(c), (0.299, 0.587, 0.114)) for c, _ in STYLES]
    dashes = [dash for _, dash in STYLES]
    assert len(set(dashes)) == len(dashes)
    # Neighbours in a legend differ by a tenth of the way from black to white; all
    # others at least by their dashes.
    assert min(abs(a - b) for a, b in itertools.pairwise(greys)) > 0.1


PANEL = figures.Panel(metric="test_loss", label="test loss (nats)", limits=(0.0, 2.0))


def test_panels_show_each_metric_with_its_spread():
    low, high = (
        summary(run, loss) for run, loss in zip(RUNS["MaS"], (0.4, 0.6), strict=True)
    )
    runs = {"MaS": [low, high], "Adam": [summary(RUNS["Adam"][0])]}
    drawing = figures.evaluations("A title", "A caption.", (PANEL, PANEL), runs)
    assert len(drawing.axes) == 2
    for axes in drawing.axes:
        assert axes.get_ylabel() == "test loss (nats)"
        assert "step" in axes.get_xlabel()
        assert axes.get_ylim() == (0.0, 2.0)
        np.testing.assert_allclose(axes.lines[0].get_xydata(), [[50, 1], [100, 0.5]])
        band = axes.collections[0].get_paths()[0].vertices
        at_end = [y for x, y in band if x == 100]
        assert max(at_end) - min(at_end) == pytest.approx(
            2 * np.std([0.4, 0.6], ddof=1)
        )
    (legend,) = drawing.legends
    assert [text.get_text() for text in legend.get_texts()] == ["MaS", "Adam"]
    text = drawing.get_supxlabel()
    assert text == "A caption. 1 to 2 seeds, mean and standard deviation."


def test_a_panel_names_what_diverged():
    lost = [summary(run, status="diverged") for run in RUNS["SGD"]]
    runs = {"MaS": [summary(run) for run in RUNS["MaS"]], "SGD": lost}
    drawing = figures.evaluations("A title", "A caption.", (PANEL,), runs)
    labels = [text.get_text() for text in drawing.legends[0].get_texts()]
    assert labels == ["MaS", "SGD (failed)"]
    assert "SGD: 2 of 2 diverged at step 100" in drawing.get_supxlabel()
