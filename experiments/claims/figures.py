"""All figures in one style: curves over the steps, drawn from summaries of runs."""

import collections
import contextlib
import dataclasses
import io
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from experiments.runs.summary import SMOOTHING, Summary
from experiments.style import SETTINGS, styles


@contextlib.contextmanager
def figure(
    width: float, height: float, title: str = "", caption: str = ""
) -> Iterator[Figure]:
    """A figure to draw on, in the style of all; lines take its colours in turn.

    Args:
      width: in inches, as the height is.
      height: of all, the title and the caption included.
      title: above all panels.
      caption: below them.
    """
    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(width, height))
        yield drawing
        if title:
            drawing.suptitle(title)
        if caption:
            drawing.supxlabel(caption, fontsize=8, wrap=True)


def losses(
    title: str,
    caption: str,
    limits: tuple[float, float],
    curves: Mapping[str, Sequence[Summary]],
    published: Mapping[str, float],
) -> Figure:
    """Draws the smoothed training loss of some runs.

    Args:
      title: above the axes.
      caption: below them, in front of what the runs have to add.
      limits: of the loss axis.
      curves: label → the runs of one curve, which differ in their seed.
      published: label → the loss at the end that the source shows, marked at the edge
        and told in the legend.
    """
    styles(len(curves))  # refuses more than can be told apart
    with figure(6.4, 4.4, caption=full_caption(caption, curves)) as drawing:
        axes = drawing.add_subplot()
        last = max(int(s.steps[-1]) for runs in curves.values() for s in runs)
        for label, runs in curves.items():
            value = published.get(label)
            name = label if value is None else f"{label} (published: {value:.2f})"
            curve(axes, name, runs, lambda s: (s.steps, s.loss))
            if value is not None:
                colour = axes.lines[-1].get_color()
                mark = {"marker": "<", "markeredgecolor": "black", "clip_on": False}
                axes.plot(last, value, color=colour, linestyle="", zorder=3, **mark)
        axes.set(
            title=title,
            xlabel="step (mini-batches)",
            ylabel="training loss (cross-entropy, nats)",
            xlim=(0, last),
            ylim=limits,
        )
        axes.legend(handlelength=4)
    return drawing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
      metric: a name among the evaluations.
      label: of the vertical axis, with its unit.
      limits: of the vertical axis.
    """

    metric: str
    label: str
    limits: tuple[float, float]


def evaluations(
    title: str,
    caption: str,
    panels: Sequence[Panel],
    curves: Mapping[str, Sequence[Summary]],
) -> Figure:
    """Draws what was measured at a fixed interval.

    Args:
      title: above the panels.
      caption: below them, in front of what the runs have to add.
      panels: from left to right.
      curves: label → the runs of one curve, which differ in their seed.
    """
    styles(len(curves))  # refuses more than can be told apart
    text = full_caption(caption, curves, smoothed=False)
    with figure(3.4 * len(panels) + 2.2, 3.8, title, text) as drawing:
        all_axes = drawing.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(all_axes, panels, strict=True):
            for label, runs in curves.items():
                curve(
                    axes,
                    label,
                    runs,
                    lambda s, m=panel.metric: (s.evaluated, s.evaluations[m]),
                )
            axes.set(
                xlabel="step (mini-batches)", ylabel=panel.label, ylim=panel.limits
            )
        # Beside the panels, as no corner of them is free of curves.
        handles = all_axes[0].get_legend_handles_labels()
        drawing.legend(*handles, loc="outside right center", handlelength=4)
    return drawing


def png(drawing: Figure, dpi: float = SETTINGS["figure.dpi"]) -> bytes:
    """The figure as an image of 128 colours, a quarter of the size of one of all."""
    from PIL import Image  # matplotlib's own way of writing images

    drawn, image = io.BytesIO(), io.BytesIO()
    drawing.savefig(drawn, format="png", dpi=dpi)
    with Image.open(drawn) as full:
        few = full.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        few.save(image, format="png", optimize=True, dpi=(dpi, dpi))
    return image.getvalue()


def full_caption(
    start: str, curves: Mapping[str, Sequence[Summary]], smoothed: bool = True
) -> str:
    """A figure's caption: how it starts, and what the runs have to add."""
    counts = sorted({len(runs) for runs in curves.values()})
    seeds = f"{counts[0]} seed" if counts[0] == 1 else f"{counts[0]} seeds"
    if len(counts) > 1:
        seeds = f"{counts[0]} to {counts[-1]} seeds"
    spread = ", mean and standard deviation" if counts[-1] > 1 else ""
    how = f"Smoothed by a moving average of decay {SMOOTHING}; " if smoothed else ""
    sentences = [start, f"{how}{seeds}{spread}."]
    for label, runs in curves.items():
        failures = collections.Counter(s.failure for s in runs if s.failure)
        sentences += [
            f"{label}: {count} of {len(runs)} {failure} (not drawn, but counted in "
            "tables)."
            for failure, count in failures.items()
        ]
    return textwrap.fill(" ".join(sentences), 100)


def curve(
    axes: Axes,
    label: str,
    runs: Sequence[Summary],
    of: Callable[[Summary], tuple[np.ndarray, np.ndarray]],
) -> None:
    """Draws mean and standard deviation over the seeds; a run that failed has none.

    Args:
      axes: to draw on.
      label: of the curve.
      runs: they differ in their seed.
      of: the steps and values of a run.
    """
    whole = [s for s in runs if not s.failure]
    if not whole:
        axes.plot([], [], label=f"{label} (failed)")
        return
    steps = of(whole[0])[0]
    values = np.stack([of(summary)[1] for summary in whole])
    mean = values.mean(axis=0)
    deviation = values.std(axis=0, ddof=min(1, len(whole) - 1))
    band(axes, steps, mean, mean - deviation, mean + deviation, label)


def band(
    axes: Axes,
    steps: ArrayLike,
    middle: ArrayLike,
    lowest: ArrayLike,
    highest: ArrayLike,
    label: str,
) -> None:
    """Draws a curve, in the colours that are next, and how far it spreads."""
    (line,) = axes.plot(steps, middle, label=label)
    colour = line.get_color()
    axes.fill_between(steps, lowest, highest, color=colour, alpha=0.25, linewidth=0)
