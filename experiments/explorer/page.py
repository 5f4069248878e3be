"""The trajectory explorer: one component, a page of its own or in a notebook.

In a notebook: `import panel; panel.extension(); Explorer(state.of_preset("ravine"))`.
"""

import dataclasses
import html
from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from experiments.errors import ConfigError
from experiments.explorer import link
from experiments.explorer import view as state
from experiments.explorer.browser import LIST, Address, Copy
from experiments.explorer.card import Card
from experiments.explorer.controls import Controls
from experiments.explorer.figures import Figures, Found, calculate
from experiments.explorer.view import Shown, View
from experiments.paths import optimizers
from experiments.paths.surfaces import Point

TITLE = "Trajectory explorer"
HINT = "Click in the plot to start there; paths run from dark to bright."
WIDE = {"sizing_mode": "stretch_width"}
# Controls beside the figures, or below them where there is no room. The figures stay in
# sight, whatever is moved, and are scrolled for themselves.
LAYOUT = """
:host {
  display: grid;
  grid-template-columns: minmax(300px, 380px) minmax(0, 1fr);
  grid-template-areas: "setting figures" "cards figures";
  grid-template-rows: max-content 1fr;
  gap: 4px 16px;
  align-items: start;
}
:host, :host > div { height: max-content; max-height: none; }
:host > .setting { grid-area: setting; }
:host > .cards { grid-area: cards; }
:host > .figures {
  grid-area: figures;
  position: sticky;
  top: 0;
  z-index: 2;
  max-height: calc(100vh - 80px);
  overflow-y: auto;
  background: var(--mui-palette-background-paper);
}
@media (max-width: 860px) {
  :host {
    grid-template-columns: minmax(0, 1fr);
    grid-template-areas: "figures" "setting" "cards";
    grid-template-rows: repeat(3, max-content);
  }
  :host > .figures { max-height: 54vh; border-bottom: 1px solid; }
}
"""


class Explorer(pn.viewable.Viewer):
    """The explorer.

    Attributes:
      view: what is shown, the last one that could be.
      said: the sentences of the status line.
      page: what is laid out.
      address: that of the page, on a server.
    """

    def __init__(self, view: View, notices: tuple[str, ...] = ()):
        """Shows a view, and the notices; raises FormulaError if it has no surface."""
        super().__init__()
        self.view = view
        self.said: tuple[str, ...] = ()
        self._quiet = False  # while it is this that moves the controls
        found = calculate(view)
        self.figures = Figures(found, self._click)
        self.controls = Controls(self.change)
        self.cards: list[Card] = []
        self._deck = pn.Column(**WIDE)
        self._status = pn.pane.HTML(margin=(0, 10), **WIDE)
        self._link, self.address = Copy(label="Copy link", margin=(4, 10)), Address()
        self.address.param.watch(
            lambda event: self.change(lambda view: link.from_query(event.new)[0]),
            "query",
        )
        self.method = pn.widgets.Select(
            stylesheets=[LIST],
            label="Another optimizer",
            options={method.label: key for key, method in optimizers.METHODS.items()},
            **WIDE,
        )
        self.add = pmui.Button(label="Add", variant="outlined", margin=(14, 10))
        self.add.on_click(lambda event: self.change(self._with_another))
        self.page = _page(self._body())
        self.page.param.watch(
            lambda event: pn.state.execute(self._colour, schedule=True), "dark_theme"
        )
        self._tell(found, notices)
        self._colour()

    def __panel__(self) -> pmui.Page:
        """What Panel shows."""
        return self.page

    def _body(self) -> pn.Column:
        def area(name: str, *shown) -> pn.Column:
            return pn.Column(*shown, css_classes=[name], **WIDE)

        linked = pn.Row(self._link, self.address, **WIDE)
        more = pn.Row(self.method, self.add, **WIDE)
        return pn.Column(
            area("setting", self.controls.layout, linked),
            area("figures", self._status, *self.figures.panes),
            area("cards", self._deck, more),
            stylesheets=[LAYOUT],
            **WIDE,
        )

    def change(self, make: Callable[[View], View]) -> None:
        """Shows what this makes of the view, or says why that cannot be shown."""
        if self._quiet:
            return
        # Panel tells of clicks without the lock of the document, which Bokeh asks for.
        pn.state.execute(lambda: self._change(make), schedule=True)

    def _change(self, make: Callable[[View], View]) -> None:
        try:
            view = make(self.view)
            if view == self.view:
                return
            found = calculate(view)
        except ConfigError as error:
            self._say((str(error),))
        else:
            self.figures.draw(found)
            self._tell(found)

    def _tell(self, found: Found, notices: tuple[str, ...] = ()) -> None:
        """Puts all but the figures where the view has it."""
        view = self.view = found.view
        self._quiet = True
        try:
            self.controls.show(view, found.surface)
            self._match_cards()
            self._link.text = self.address.query = "?" + link.to_query(view)
        finally:
            self._quiet = False
        self._say((*notices, *self.figures.said()))

    def _say(self, sentences: tuple[str, ...]) -> None:
        self.said = sentences
        text = "<br>".join(map(html.escape, sentences)) or HINT
        mark = "border-left:4px solid #d55e00;padding-left:8px;" if sentences else ""
        mark += "max-height:7em;overflow-y:auto"  # or many would hide the plot
        self._status.object = f"<div role='status' style='{mark}'>{text}</div>"

    def _match_cards(self) -> None:
        """A card for each optimizer; one that only moved its sliders keeps its own."""
        for slot, shown in enumerate(self.view.optimizers):
            if slot < len(self.cards) and self.cards[slot].key == shown.key:
                self.cards[slot].show(shown)
            else:
                self.cards[slot : slot + 1] = [Card(shown, self._edit)]
        del self.cards[len(self.view.optimizers) :]
        layouts = [card.layout for card in self.cards]
        if layouts != list(self._deck.objects):
            self._deck.objects = layouts
            self._colour_cards()
        full = len(layouts) == state.MAX_OPTIMIZERS
        self.add.param.update(label="No more" if full else "Add", disabled=full)

    def _colour(self) -> None:
        self.figures.colour(self.page.dark_theme)
        self._colour_cards()

    def _colour_cards(self) -> None:
        for slot, card in enumerate(self.cards):
            card.colour(slot, self.page.dark_theme)

    def _click(self, point: Point) -> None:
        widths = [high - low for low, high in self.figures.found.surface.bounds]
        # To a thousandth of the view, as no finger is more exact.
        w1, w2 = (
            float(f"{round(1000 * place / width) * width / 1000:.6g}")
            for place, width in zip(point, widths, strict=True)
        )
        self.change(lambda view: dataclasses.replace(view, start=(w1, w2)))

    def _with_another(self, view: View) -> View:
        surface = self.figures.found.surface
        shown = state.at_fitting_rate(self.method.value, surface)
        return dataclasses.replace(view, optimizers=(*view.optimizers, shown))

    def _edit(self, card: Card, make: Callable[[Shown], Shown | None]) -> None:
        def edited(view: View) -> View:
            if card not in self.cards:  # removed since
                return view
            slot, optimizers = self.cards.index(card), list(view.optimizers)
            shown = make(optimizers[slot])
            optimizers[slot : slot + 1] = [] if shown is None else [shown]
            if shown is None:
                del self.cards[slot]  # the others keep theirs, under the next colour
            return dataclasses.replace(view, optimizers=tuple(optimizers))

        self.change(edited)


def _page(body: pn.Column) -> pmui.Page:
    """A page that ends with its session.

    Panel Material UI has each page told whether something is calculated, and so kept,
    by the state of Panel, which does not end.
    """
    before = _told_of_business()
    shown = pmui.Page(main=[body], title=TITLE, busy_indicator=None)
    for watcher in _told_of_business()[len(before) :]:
        pn.state.param.unwatch(watcher)
    return shown


def _told_of_business() -> list[Any]:
    return list(pn.state.param.watchers.get("busy", {}).get("value", ()))


def at(query: str) -> Explorer:
    """The explorer at the view of an address."""
    return Explorer(*link.from_query(query))
