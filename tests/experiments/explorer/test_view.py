"""A link reproduces the view, and no address breaks it."""

import hypothesis
import hypothesis.strategies as st
import pytest

from experiments.explorer import link
from experiments.explorer import view as state
from experiments.explorer.link import from_query, to_query
from experiments.explorer.view import Shown, View
from experiments.paths import surfaces, trajectory
from experiments.paths.optimizers import METHODS
from tests.experiments.messages import assert_one_sentence

property_test = hypothesis.settings(
    derandomize=True,
    deadline=None,  # the first example of a formula compiles
    database=None,
    max_examples=100,
)
FORMULAS = ("w1**2 + w2**2", "sin(w1) + 0.5*w2**2", "max(w1, w2)")


def values_of(method):
    parts = {s.name: st.floats(s.low, s.high) for s in method.sliders}
    parts |= {c.name: st.sampled_from(c.options) for c in method.choices}
    return st.fixed_dictionaries({}, optional=parts).map(lambda v: tuple(v.items()))


@st.composite
def optimizers(draw):
    key = draw(st.sampled_from(list(METHODS)))
    method = METHODS[key]
    drawn = st.just(())
    if method.components:
        drawn = st.lists(st.sampled_from([n for n, _ in method.components])).map(tuple)
    return Shown(key, draw(values_of(method)), draw(drawn))


coordinates = st.floats(-surfaces.WIDEST, surfaces.WIDEST)
views = st.builds(
    lambda place, **rest: View(**place, **rest),
    st.builds(lambda key: {"surface": key}, st.sampled_from(list(surfaces.PRESETS)))
    | st.builds(
        lambda text, low, width: {
            "surface": None,
            "formula": text,
            "bounds": ((low, low + width), (-width, width / 3)),
        },
        st.sampled_from(FORMULAS),
        st.floats(-100, 100),
        st.floats(0.1, 100),
    ),
    start=st.tuples(coordinates, coordinates),
    noise=st.floats(0, state.MAX_NOISE),
    steps=st.integers(1, trajectory.MAX_STEPS),
    seed=st.integers(0, state.MAX_SEED),
    optimizers=st.lists(optimizers(), max_size=state.MAX_OPTIMIZERS).map(tuple),
)


@property_test
@hypothesis.given(views)
def test_a_link_reproduces_the_view(view):
    query = to_query(view)
    assert len(query) <= link.MAX_QUERY
    assert from_query(query) == (view, ())
    assert from_query(f"?{query}") == (view, ())


@property_test
@hypothesis.given(
    st.text(max_size=80)
    | st.lists(
        st.tuples(st.sampled_from(link.FIELDS), st.text("0159,.=-enai w", max_size=9))
    ).map(lambda pairs: "&".join("=".join(pair) for pair in pairs))
)
def test_any_address_shows_a_view(query):
    view, notices = from_query(query)
    assert from_query(to_query(view)) == (view, ())
    assert len(notices) <= link.MAX_NOTICES
    for notice in notices:
        assert_one_sentence(notice)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("surface=hole", "Unknown surface 'hole'"),
        ("formula=__import__('os')", "a string at character 12"),
        ("formula=log(-1-w1**2)", "no finite number anywhere"),
        ("formula=w1&view=1,2", "view must be 4 numbers"),
        ("formula=w1&view=1,0,0,1", "view of w1 must be"),
        ("start=nan,0", "start must lie between"),
        ("start=1", "start must be 2 numbers"),
        ("start=1,2,3", "start must be 2 numbers"),
        ("start=1,x", "start must be a number, got 'x'"),
        ("noise=-1", "noise must lie between 0"),
        ("noise=inf", "noise must lie between 0"),
        ("steps=0", "steps must lie between 1"),
        ("steps=1e3", "steps must be a whole number"),
        ("steps=" + "9" * 5000, "steps must be a whole number"),
        ("seed=-1", "seed must be a whole number"),
        ("seed=²", "seed must be a whole number"),
        ("optimizer=adma", "perhaps 'adam'"),
        ("optimizer=adam,b1=2", "b1 of Adam must lie between 0 and 0.999"),
        ("optimizer=adam,b1=nan", "b1 of Adam must lie between"),
        ("optimizer=adam,b3=1", "Unknown option of Adam 'b3'"),
        ("optimizer=adam,nesterov=perhaps", "nesterov of Adam must be False or True"),
        ("optimizer=adam,show=x", "Unknown component of Adam 'x'"),
        ("optimizer=adam" + ",b1=0.5" * 21, "at most 20 values"),
        ("&".join(["optimizer=adam"] * 9), "names 9 optimizers"),
        ("colour=red", "Unknown field of the address 'colour'"),
        ("x" * 8001, "8001 characters"),
    ],
    ids=lambda text: text[:30],
)
def test_a_bad_address_shows_the_rest_and_says_why(query, says):
    view, notices = from_query(query)
    assert [says in notice for notice in notices] == [True]
    assert_one_sentence(notices[0])
    first = state.of_preset("quadratic")
    assert view.surface == "quadratic" and view.start == first.start
    assert len(view.optimizers) <= state.MAX_OPTIMIZERS


def test_one_bad_part_leaves_the_others():
    query = "surface=ravine&steps=7&noise=x&optimizer=ssd&optimizer=foo&optimizer=mas"
    view, notices = from_query(query)
    assert (view.surface, view.steps, len(notices)) == ("ravine", 7, 2)
    assert [shown.key for shown in view.optimizers] == ["ssd", "mas"]
    assert view.start == surfaces.PRESETS["ravine"].start


def test_no_optimizers_are_a_view_too():
    view = View(optimizers=())
    assert from_query(to_query(view)) == (view, ())
    assert len(from_query("")[0].optimizers) == 3


def test_first_view_of_a_surface_has_rates_that_suit_it():
    by_key = {s.key: dict(s.values) for s in state.of_preset("rosenbrock").optimizers}
    assert by_key["sgd"]["learning_rate"] == surfaces.PRESETS["rosenbrock"].rate
    assert by_key["adam"]["learning_rate"] == 0.02  # the view is 4 wide
    own = state.of_formula("0.25*w1**2 + w2")
    assert dict(own.optimizers[0].values)["learning_rate"] == 2  # 1 over the curvature
    assert own.resolve().start == own.start


@pytest.mark.parametrize(
    "fields",
    [
        {"surface": "hole"},
        {"surface": None, "formula": "w1 < w2"},
        {"formula": "w1"},
        {"start": (float("nan"), 0.0)},
        {"noise": -1.0},
        {"steps": 0},
        {"seed": -1},
        {"optimizers": (Shown("ssd"),) * 9},
    ],
    ids=str,
)
def test_a_view_out_of_range_is_refused_in_one_sentence(fields):
    with pytest.raises(ValueError) as error:
        View(**fields)
    assert_one_sentence(str(error.value))
