"""The page in a browser: Debian's Chromium, without a screen, against a real server."""

import itertools
import re
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from experiments.explorer import link as address

# Much more than an idle machine needs; a step that hangs still ends.
PATIENCE = 90_000  # ms
RAVINE = (
    "?surface=ravine&start=-8.0,2.0&steps=60&optimizer=sgd,learning_rate=0.02"
    "&optimizer=adam,learning_rate=0.1,show=v"
)


@pytest.fixture(scope="module")
def site():
    """The address of a server of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (sys.executable, "-m", "experiments", "explore", "--no-browser")
    with subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"http://localhost:\d+/", said)
        assert found, said
        yield found[0]
        process.send_signal(signal.SIGINT)  # Ctrl-C
        assert process.stdout.read() == ""
        assert process.wait(60) == 0


@pytest.fixture
def open_page(chromium, site):
    """Opens the page at a query; fails where it speaks to anyone but its server."""
    strangers, mistakes, contexts = [], [], []

    def see(url):
        if urlsplit(url.removeprefix("blob:")).hostname != "localhost":
            strangers.append(url)

    def open_at(query="", **options):
        context = chromium.new_context(
            permissions=["clipboard-read", "clipboard-write"], **options
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("request", lambda request: see(request.url))
        page.on("websocket", lambda socket: see(socket.url))
        page.on("pageerror", lambda error: mistakes.append(str(error)))
        page.goto(site + query)
        expect(page.get_by_text("Another optimizer").first).to_be_visible(
            timeout=PATIENCE
        )
        # The figures are the last that comes.
        page.wait_for_function("Bokeh.documents[0].is_idle", timeout=PATIENCE)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert strangers == []
    assert mistakes == []


def view_of(page):
    return address.from_query(urlsplit(page.url).query)[0]


def wait_for(page, holds):
    """Waits until the view in the address is as it should be; returns it."""
    for _ in range(PATIENCE // 100):
        if holds(view_of(page)):
            return view_of(page)
        page.wait_for_timeout(100)
    raise AssertionError(f"still at {page.url}")


def status(page):
    return page.get_by_role("status").first


@pytest.mark.slow
def test_a_visit_from_the_first_click_to_the_copied_link(open_page):
    page = open_page(RAVINE, viewport={"width": 1280, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280

    # A click in the plot is the start.
    page.locator(".bk-Canvas").first.click(position={"x": 300, "y": 200})
    clicked = wait_for(page, lambda view: view.start != (-8.0, 2.0)).start
    assert -10 < clicked[0] < 10 and -4 < clicked[1] < 4
    first = page.get_by_label("start w1")
    expect(first).to_have_value(f"{clicked[0]}")
    page.locator(".bk-Canvas").first.hover(position={"x": 301, "y": 201})
    expect(page.get_by_text("Gradient descent, step 0: loss")).to_be_visible()

    # A number as one types it, and on after Enter, in the field still; Back undoes it.
    first.fill("1e-3")
    first.press("Enter")
    wait_for(page, lambda view: view.start == (0.001, clicked[1]))
    page.keyboard.type("5")
    page.wait_for_timeout(1000)  # by which one change is told from the next
    page.keyboard.press("Enter")
    wait_for(page, lambda view: view.start == (0.0015, clicked[1]))
    page.go_back()
    wait_for(page, lambda view: view.start == (0.001, clicked[1]))
    expect(first).to_have_value("0.001")

    # A slider by mouse, and by keyboard.
    rates = page.get_by_role("slider", name="learning_rate")
    before = view_of(page)
    track = rates.first.locator("xpath=ancestor::*[contains(@class,'MuiSlider-root')]")
    width = track.bounding_box()["width"]
    track.click(position={"x": 0.8 * width, "y": 5}, force=True)
    moved = wait_for(page, lambda view: view.optimizers[0] != before.optimizers[0])
    assert moved.optimizers[1] == before.optimizers[1]
    rates.nth(1).focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".bk-Canvas").first.bounding_box()["y"] > 60  # as at the top
    keyed = wait_for(page, lambda view: view.optimizers[1] != before.optimizers[1])
    rate = dict(keyed.optimizers[1].values)["learning_rate"]
    assert 0.1 < rate < 0.13  # a twentieth of a decade
    expect(page.get_by_text(f"learning_rate={rate}")).to_be_visible()

    # An optimizer more, chosen and added without a mouse.
    page.get_by_role("combobox", name="Another optimizer").focus()
    page.keyboard.type("MaS")
    page.get_by_role("button", name="Add", exact=True).focus()
    page.keyboard.press("Enter")
    wait_for(page, lambda view: [s.key for s in view.optimizers][2:] == ["mas"])
    expect(page.get_by_role("cell", name="MaS")).to_be_visible()

    # A good formula, and a bad one, which leaves all as it was.
    formula = page.get_by_label("Loss, a formula")
    formula.fill("w1**2/8 + w2**2 + sin(w1)")
    formula.press("Enter")
    wait_for(page, lambda view: view.formula == "w1**2/8 + w2**2 + sin(w1)")
    good = page.url
    formula.fill("w1**2 + w3")
    formula.press("Enter")
    expect(status(page)).to_contain_text("There is no name 'w3'")
    assert page.url == good

    # What is copied is the expression, and the link.
    page.get_by_role("button", name="Copy expression").nth(2).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"optax_sign\.mas\(learning_rate=\S+, beta=0\.95\)", copied)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied").first).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == good
    # And where http comes from elsewhere, whose pages have no such clipboard.
    page.evaluate("window.kept = navigator.clipboard")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Copy expression").first.click()
    page.wait_for_function("kept.readText().then(text => /^optax.sgd/.test(text))")
    rows = page.get_by_role("row").all_inner_texts()

    again = open_page("?" + urlsplit(link).query)
    assert view_of(again) == view_of(page)
    expect(again.get_by_role("row")).to_have_count(4)
    assert again.get_by_role("row").all_inner_texts() == rows


def test_a_narrow_screen_shows_all_one_below_the_other(open_page):
    page = open_page(RAVINE, viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    for name in ("Steps", "learning_rate"):
        box = page.get_by_role("slider", name=name).first.evaluate(
            "e => { const b = e.closest('.MuiSlider-root').getBoundingClientRect();"
            "return [b.left, b.right] }"
        )
        assert 0 <= box[0] and box[1] <= 400
    canvas = page.locator(".bk-Canvas").first.bounding_box()
    assert canvas["x"] >= 0 and canvas["x"] + canvas["width"] <= 400
    assert canvas["width"] > 300
    parts = [
        status(page),
        page.locator(".bk-Canvas").first,
        page.get_by_label("Seed of the noise"),
        page.get_by_role("heading", name="Gradient descent"),
        page.get_by_role("heading", name="Adam"),
        page.get_by_label("Another optimizer"),
    ]
    boxes = [part.bounding_box() for part in parts]
    for box, below in itertools.pairwise(boxes):
        assert box["y"] + box["height"] <= below["y"]
    # The plot stays, whatever is moved.
    page.get_by_label("Another optimizer").scroll_into_view_if_needed()
    assert page.locator(".bk-Canvas").first.bounding_box() == canvas
    page.get_by_role("table").scroll_into_view_if_needed()
    expect(page.get_by_role("table")).to_be_in_viewport()


def test_who_prefers_dark_gets_dark(open_page):
    page = open_page(RAVINE, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = "rgb(18, 18, 18)"  # of Material's dark pages
    page.wait_for_function(f"{ground} == '{dark}'", timeout=PATIENCE)
    page.locator("header").get_by_role("button").last.click()
    page.wait_for_function(f"{ground} != '{dark}'", timeout=PATIENCE)


def test_everything_can_be_reached_by_tab_and_has_a_name(open_page):
    page = open_page("?surface=ravine&steps=20&optimizer=adam")
    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                """() => {
  let e = document.activeElement
  while (e && e.shadowRoot && e.shadowRoot.activeElement) {
    e = e.shadowRoot.activeElement
  }
  const label = e.labels && e.labels[0]
  return e.ariaLabel || (label && label.innerText) || e.innerText || e.className
}"""
            )
        )
    seen = " | ".join(names)
    wanted = ("Surface", "Loss, a formula", "start w1", "start w2", "Steps", "Noise")
    wanted += (
        "Copy link",
        "Logarithmic loss",
        "learning_rate",
        "b1",
        "eps",
        "nesterov",
    )
    wanted += ("m", "Copy expression", "Remove", "Add")
    assert [name for name in wanted if name not in seen] == []
