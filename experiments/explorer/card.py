"""The card of one optimizer: what it does, its sliders, its expression, its inside."""

import dataclasses
import functools
import html
import math
from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from experiments.explorer.browser import LIST, Copy
from experiments.explorer.figures import swatch
from experiments.explorer.view import Shown
from experiments.paths.tunable import Choice, Slider, Value

WIDE = {"sizing_mode": "stretch_width", "margin": (4, 10)}


class Dial:
    """A slider for a number, on a logarithmic scale where that asks for it.

    Attributes:
      widget: what to lay out.
    """

    def __init__(self, slider: Slider, on_change: Callable[[float], None]):
        self._slider = slider
        low, high = self._place(slider.low), self._place(slider.high)
        step = 0.05 if slider.logarithmic else 10 ** math.floor(math.log10(high - low))
        self.widget = pmui.FloatSlider(
            label=slider.name,
            start=low,
            end=high,
            step=step if slider.logarithmic else step / 100,
            value=low,
            size="small",
            **WIDE,
        )

        def moved(event) -> None:
            value = self._value(event.new)
            self.widget.value_label = f"{value:.6g}"
            on_change(value)

        self.widget.param.watch(moved, "value")

    def show(self, value: float) -> None:
        """Puts the slider at a value, which need not be one that a hand can reach."""
        self.widget.value = self._place(value)
        self.widget.value_label = f"{value:.6g}"

    def _place(self, value: float) -> float:
        return math.log10(value) if self._slider.logarithmic else value

    def _value(self, place: float) -> float:
        # Digits that a reader of the expression would want to see, not those of 10**x.
        text = f"{10**place:.2g}" if self._slider.logarithmic else f"{place:.6g}"
        return min(max(float(text), self._slider.low), self._slider.high)


class Card:
    """The controls of the optimizer in one place of the view.

    Attributes:
      key: of its method.
      layout: what to lay out.
    """

    def __init__(
        self,
        shown: Shown,
        on_change: Callable[["Card", Callable[[Shown], Shown | None]], None],
    ):
        """Makes the card.

        `on_change` is told the card, and what makes a new optimizer of the old one, or
        none if it is to be removed.
        """
        self.key = shown.key
        self._on_change = on_change
        method = self._method = shown.method
        self._title = pn.pane.HTML(margin=(6, 10), sizing_mode="stretch_width")
        remove = pmui.Button(
            label="Remove", variant="text", size="small", margin=(2, 6)
        )
        remove.on_click(lambda event: on_change(self, lambda shown: None))
        self._dials = {
            slider.name: Dial(slider, functools.partial(self._choose, slider.name))
            for slider in method.sliders
        }
        self._choices = {choice.name: self._choice(choice) for choice in method.choices}
        self._inside = pmui.CheckBoxGroup(
            label="Draw what goes on inside",
            options=[name for name, _ in method.components],
            inline=True,
            visible=bool(method.components),
            margin=(0, 10),
        )
        self._inside.param.watch(lambda event: self._draw(tuple(event.new)), "value")
        self._expression = pn.pane.HTML(**WIDE)
        self._copy = Copy(label="Copy expression", margin=(0, 10, 8, 10))
        self.layout = pmui.Paper(
            pn.Row(self._title, remove, sizing_mode="stretch_width"),
            pn.pane.HTML(f"<p style='margin:0'>{method.explanation}</p>", **WIDE),
            *(dial.widget for dial in self._dials.values()),
            *self._choices.values(),
            self._inside,
            self._expression,
            self._copy,
            elevation=2,
            margin=(6, 4),
            sizing_mode="stretch_width",
        )
        self.show(shown)

    def show(self, shown: Shown) -> None:
        """Puts the controls where the view has them, and writes the expression."""
        values = dict(shown.values)
        for name, dial in self._dials.items():
            dial.show(float(values[name]))
        for name, widget in self._choices.items():
            widget.value = values[name]
        self._inside.value = list(shown.components)
        text = self._copy.text = self._method.expression(values)
        self._expression.object = (
            f"<code style='overflow-wrap:anywhere'>{html.escape(text)}</code>"
        )

    def colour(self, slot: int, dark: bool) -> None:
        """Marks the card with the colour and the symbol of the path in this place."""
        label = html.escape(self._method.label)
        self._title.object = f"<h3 style='margin:0'>{swatch(slot, dark)} {label}</h3>"

    def _choice(self, choice: Choice) -> Any:
        if isinstance(choice.options[0], bool):
            widget = pmui.Checkbox(label=choice.name, size="small", margin=(0, 10))
        else:
            widget = pn.widgets.Select(
                stylesheets=[LIST],
                label=choice.name,
                options=list(choice.options),
                **WIDE,
            )
        widget.param.watch(lambda event: self._choose(choice.name, event.new), "value")
        return widget

    def _choose(self, name: str, value: Value) -> None:
        def chosen(shown: Shown) -> Shown:
            # The last of a name is what counts.
            return dataclasses.replace(shown, values=(*shown.values, (name, value)))

        self._on_change(self, chosen)

    def _draw(self, components: tuple[str, ...]) -> None:
        self._on_change(
            self, lambda shown: dataclasses.replace(shown, components=components)
        )
