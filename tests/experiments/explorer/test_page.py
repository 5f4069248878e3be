"""The page without a browser: what its controls do, and what it says."""

import dataclasses
import gc
import re
import weakref

import numpy as np
import optax
import panel as pn
import pytest
from bokeh.events import Tap
from bokeh.models import HoverTool, Line, Scatter

import optax_sign
from experiments.explorer import figures, link, page
from experiments.explorer import view as state
from experiments.paths import trajectory
from tests.experiments.messages import assert_one_sentence

VIEW = dataclasses.replace(state.of_preset("ravine"), steps=40)


@pytest.fixture
def explorer():
    figures._path.cache_clear()
    return page.Explorer(VIEW)


@pytest.fixture
def asked(monkeypatch):
    """The methods whose paths are calculated from here on."""
    calls = []
    calculate = trajectory.trajectory

    def counted(surface, method, *rest):
        calls.append(method.label)
        return calculate(surface, method, *rest)

    monkeypatch.setattr(trajectory, "trajectory", counted)
    return calls


def move(explorer, slot, name, value):
    """Moves a slider, as a hand would."""
    dial = explorer.cards[slot]._dials[name]
    dial.widget.value = dial._place(value)


def remove(explorer, card):
    explorer._edit(card, lambda shown: None)


def paths(explorer):
    return explorer.figures.found.paths


def inside(explorer, name):
    return next(i for i in explorer.figures._components.values() if i._name == name)


def test_a_slider_recomputes_its_own_path_and_compiles_nothing(explorer, asked):
    before = paths(explorer)
    compiled = trajectory._compiled.cache_info().misses
    move(explorer, 2, "learning_rate", 0.3)
    assert asked == ["Adam"]
    assert trajectory._compiled.cache_info().misses == compiled
    assert dict(explorer.view.optimizers[2].values)["learning_rate"] == 0.3
    after = paths(explorer)
    assert after[0] is before[0] and after[1] is before[1]
    assert not np.array_equal(after[2].points, before[2].points)


def test_every_control_is_in_the_view(explorer):
    controls = explorer.controls
    controls.start[0].value = "-3"
    controls.steps.value = 25
    controls.noise.value = 0.5
    controls.seed.value = "7"
    view = explorer.view
    assert (view.start, view.steps) == ((-3.0, 2.0), 25)
    assert (view.noise, view.seed) == (0.5, 7)
    assert [len(path.points) for path in paths(explorer)] == [26] * 3


def test_a_click_is_the_start_of_all_paths(explorer):
    figure = explorer.figures._contours.figure
    figure._trigger_event(Tap(figure, x=1.23456, y=-2.00001))
    # To a thousandth of a view that is 20 wide and 8 high.
    assert explorer.view.start == (1.24, -2.0)
    assert [widget.value for widget in explorer.controls.start] == ["1.24", "-2.0"]
    for path in paths(explorer):
        assert path.points[0].tolist() == [1.24, -2.0]


@pytest.mark.parametrize("place", [(-10.1, 0.0), (0.0, 4.01)])
def test_a_click_beside_the_surface_is_none(explorer, place):
    figure = explorer.figures._contours.figure
    figure._trigger_event(Tap(figure, x=place[0], y=place[1]))
    assert explorer.view == VIEW
    figure.x_range.start, figure.y_range.end = -20, 5  # now it is moved into sight
    figure._trigger_event(Tap(figure, x=place[0], y=place[1]))
    assert explorer.view.start == pytest.approx(place, abs=0.02)


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), (" -2 ", -2.0)])
def test_a_number_is_whatever_python_takes_for_one(explorer, text, value):
    explorer.controls.start[1].value = text
    assert explorer.view.start == (-8.0, value)
    assert explorer.controls.start[1].value == str(value)


def test_optimizers_are_added_and_removed(explorer, asked):
    explorer.method.value = "mas"
    explorer.add.param.trigger("clicks")
    assert [shown.key for shown in explorer.view.optimizers][-1] == "mas"
    assert asked == ["MaS"]
    kept = explorer.cards[2]
    remove(explorer, explorer.cards[1])
    assert [card.key for card in explorer.cards] == ["sgd", "adam", "mas"]
    assert [shown.key for shown in explorer.view.optimizers] == ["sgd", "adam", "mas"]
    assert explorer.cards[1] is kept
    assert asked == ["MaS"]  # what is left was there
    assert explorer.figures.table.object.count("<tr>") == 4  # with the head


def test_no_more_optimizers_than_can_be_told_apart(explorer):
    for _ in range(state.MAX_OPTIMIZERS):
        explorer.add.param.trigger("clicks")
    assert len(explorer.cards) == state.MAX_OPTIMIZERS
    assert_one_sentence(explorer.said[0])
    assert explorer.add.disabled and explorer.add.label == "No more"
    remove(explorer, explorer.cards[0])
    assert not explorer.add.disabled and explorer.add.label == "Add"


def test_a_preset_brings_its_start_and_rates(explorer):
    explorer.controls.surface.value = "quadratic"
    view = explorer.view
    assert view.start == (-15.0, 20.0)
    assert dict(view.optimizers[0].values)["learning_rate"] == 0.02
    assert view.steps == VIEW.steps
    assert explorer.controls.formula.value == "3*w1**2 + 10*w2**2"


def test_a_formula_takes_the_place_of_the_preset(explorer):
    explorer.controls.formula.value = "w1**2 + w2**4"
    assert explorer.view.surface is None
    assert explorer.controls.surface.value == ""
    assert explorer.view.bounds == ((-5.0, 5.0), (-5.0, 5.0))  # not those of the ravine
    assert explorer.view.start == (3.75, 3.75)
    assert explorer.controls.view.visible
    explorer.controls.bounds[0].value = "-20"
    assert explorer.view.bounds == ((-20.0, 5.0), (-5.0, 5.0))
    explorer.controls.start[0].value = "1"
    explorer.controls.formula.value = "w1**2 + 2*w2**4"  # the next one is seen the same
    assert explorer.view.bounds == ((-20.0, 5.0), (-5.0, 5.0))
    assert explorer.view.start == (1.0, 3.75)
    assert not explorer.said


def test_a_preset_can_be_looked_at_from_elsewhere(explorer):
    explorer.controls.surface.value = ""
    assert explorer.view.surface is None
    assert explorer.view.bounds == ((-10.0, 10.0), (-4.0, 4.0))
    assert explorer.view.start == VIEW.start


@pytest.mark.parametrize(
    "text", ["w1 +", "__import__('os')", "w3**2", "log(-1 - w1**2)", "", "9" * 600]
)
def test_a_bad_formula_is_a_sentence_and_the_view_stays(explorer, text):
    drawn = paths(explorer)
    explorer.controls.formula.value = text
    assert explorer.view == VIEW
    assert paths(explorer) is drawn
    [said] = explorer.said
    assert_one_sentence(said)
    explorer.controls.steps.value = 30  # and the page goes on
    assert explorer.view.steps == 30
    assert explorer.said == ()


def test_an_empty_field_is_a_sentence(explorer):
    explorer.controls.start[1].value = ""
    assert explorer.said == ("start w2 must be a number, got ''.",)
    explorer.controls.seed.value = "1.5"
    assert explorer.said == ("seed must be a whole number, got '1.5'.",)
    assert explorer.view == VIEW


def test_a_path_that_diverges_is_told_and_drawn_as_far_as_it_goes(explorer):
    move(explorer, 0, "learning_rate", 10.0)
    assert paths(explorer)[0].diverged_at is not None
    [said] = explorer.said
    assert "Gradient descent" in said
    assert_one_sentence(said)
    move(explorer, 0, "learning_rate", 0.05)
    assert explorer.said == ()


def test_what_is_said_cannot_bring_html(explorer):
    explorer._say(("<script>alert(1)</script>",))
    assert "<script>" not in explorer._status.object


def test_the_address_gives_the_view_back(explorer):
    move(explorer, 1, "momentum", 0.5)
    explorer.cards[2]._inside.value = ["v"]
    explorer.cards[2]._choices["nesterov"].value = True
    explorer.controls.noise.value = 1.5
    query = explorer.address.query
    assert query == "?" + link.to_query(explorer.view)
    again = page.at(query)
    assert again.view == explorer.view
    assert again.said == ()
    assert again.cards[2]._inside.value == ["v"]
    assert again.cards[2]._choices["nesterov"].value is True
    for one, other in zip(paths(explorer), paths(again), strict=True):
        np.testing.assert_array_equal(one.points, other.points)


def test_going_back_shows_the_view_of_the_address(explorer):
    before = explorer.address.query
    explorer.controls.steps.value = 25
    remove(explorer, explorer.cards[0])
    explorer.address.query = before  # as the browser would
    assert explorer.view == VIEW
    assert explorer.controls.steps.value == VIEW.steps
    assert len(explorer.cards) == 3
    explorer.address.query = "?steps=nan"
    assert explorer.view.surface == "quadratic"


def test_an_address_that_cannot_be_read_is_told():
    explorer = page.at("?surface=ravin&steps=20")
    assert explorer.view.steps == 20
    assert "perhaps 'ravine'" in explorer.said[0]


def test_an_address_of_a_formula_without_losses_is_told():
    explorer = page.at("?formula=log(-1-w1**2)&steps=20")
    assert explorer.view.surface == "quadratic"
    assert "no finite number" in explorer.said[0]


def test_the_expression_that_is_copied_makes_what_is_drawn(explorer):
    move(explorer, 2, "b1", 0.5)
    text = explorer.cards[2]._copy.text
    assert "b1=0.5" in text
    assert text in explorer.cards[2]._expression.object
    copied = eval(text, {"optax": optax, "optax_sign": optax_sign})
    weights = np.array(VIEW.start, np.float32)
    memory = copied.init(weights)
    for _ in range(3):  # b1 shows from the second on
        slope = np.array([0.2, 20.0], np.float32) * weights
        updates, memory = copied.update(slope, memory, weights)
        weights = weights + np.asarray(updates)
    # The copy runs in float32, of which all numbers have seven digits; but Adam's b2
    # leaves 0.001 of a one, known to 6e-5.
    np.testing.assert_allclose(weights, paths(explorer)[2].points[3], rtol=1e-5)


def test_components_are_drawn_on_demand(explorer):
    assert list(explorer.figures._column) == []
    explorer.cards[1]._inside.value = ["m"]
    explorer.cards[2]._inside.value = ["m", "v"]
    assert [key[0] for key in explorer.figures._components] == ["m", "v"]
    first = inside(explorer, "m")
    seen = first._sources[2].data["w2"]
    np.testing.assert_array_equal(seen, paths(explorer)[2].components["m"][:, 1])
    move(explorer, 2, "b1", 0.1)
    again = inside(explorer, "m")
    assert again is first  # new numbers for the old figure
    assert not np.array_equal(again._sources[2].data["w2"], seen)


def test_paths_differ_in_marker_and_dashes(explorer):
    figure = explorer.figures._contours.figure
    marks = {glyph.marker for glyph in figure.select(type=Scatter)}
    assert len(marks) == state.MAX_OPTIMIZERS + 2  # with the start and the minima
    curves = explorer.figures._losses.linear.select(type=Line)
    dashes = {str(glyph.line_dash) for glyph in curves}
    assert len(dashes) == state.MAX_OPTIMIZERS


def test_dark_pages_have_colours_of_their_own(explorer):
    ground = explorer.figures._contours._ground
    light = ground.palette
    explorer.page.dark_theme = True
    assert ground.palette != light
    explorer.page.dark_theme = False
    assert ground.palette == light


def test_a_notebook_shows_the_same_component(explorer):
    assert pn.panel(explorer) is explorer.page


def test_a_card_that_is_gone_takes_no_more_clicks(explorer):
    card = explorer.cards[0]
    remove(explorer, card)
    left = explorer.view
    remove(explorer, card)
    explorer._edit(card, lambda shown: shown)
    assert explorer.view == left
    assert len(explorer.cards) == len(left.optimizers) == len(explorer._deck.objects)


def test_a_path_below_the_best_of_the_grid_is_drawn():
    explorer = page.at("?formula=(w1-1)**2%2B3*(w2%2B2)**2&steps=50")
    above = explorer.figures._losses._sources[0].data["above"]
    # But for the point that is the least of all that are known.
    assert np.isnan(above).sum() <= len(above) / 2
    assert "lowest point in sight" in explorer.figures.table.object


def test_an_own_formula_is_drawn_without_optimizers_and_from_a_bad_start():
    explorer = page.at("?formula=log(abs(w1))-w2&optimizer=")
    assert "lowest point in sight" in explorer.figures.table.object
    assert explorer.said == ()
    explorer = page.at("?formula=log(abs(w1))&start=0,1")
    assert all("no finite number at the start" in text for text in explorer.said)
    assert len(explorer.said) == len(explorer.cards) == 3
    assert np.isfinite(explorer.figures._losses.linear.y_range.start)


def test_a_path_that_ends_out_of_sight_is_told(explorer):
    explorer.controls.formula.value = "w1**2 - w2**2"
    assert len(explorer.said) == 3
    for said in explorer.said:
        assert_one_sentence(said)
        assert "leaves the view and ends at (" in said
    explorer.controls.formula.value = "w1**2 + w2**2"
    assert explorer.said == ()


def test_a_pointer_is_told_what_it_is_at(explorer):
    figures = explorer.figures
    for drawing in (figures._contours.figure, figures._losses.logarithmic):
        [hover] = drawing.select(type=HoverTool)
        curve = hover.renderers[1]
        assert curve.name == "Momentum"
        assert set(re.findall(r"@(\w+)", hover.tooltips)) <= set(curve.data_source.data)
        np.testing.assert_array_equal(
            curve.data_source.data["loss"], paths(explorer)[1].losses
        )
    remove(explorer, explorer.cards[1])
    assert [curve.name for curve in hover.renderers][:3] == [
        "Gradient descent",
        "Adam",
        "",
    ]


def test_a_page_is_not_kept_by_what_outlives_it():
    def watched():
        return [
            (name, what, len(found))
            for name, kinds in pn.state.param.watchers.items()
            for what, found in kinds.items()
            if found
        ]

    page.at("")
    before = watched()
    gone = weakref.ref(page.at("?steps=20"))
    assert watched() == before
    gc.collect()
    assert gone() is None
