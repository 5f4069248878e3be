"""Losses of two weights, as formulas with a view, a start and their known minima.

The hill is for the argument that first-order moments roll over small local minima: at
its rate gradient descent, and `optax_sign.m_sgd` with β below 0.92, end in the hole at
(3.14, 0), and from β = 0.92 on the path ends in the valley at (6, 0).
"""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping

import jax
import numpy as np

from experiments.paths import formula
from experiments.paths.formula import Formula, FormulaError

Point = tuple[float, float]
Bounds = tuple[Point, Point]  # (least, greatest) of w1, and of w2

GRID = 120  # points along each axis
LOOKS = 36  # until a look is as narrow as round-off
WIDEST = 1e6  # no view reaches further from 0
NARROWEST = 1e-3
VIEW: Bounds = ((-5.0, 5.0), (-5.0, 5.0))  # of a formula without one


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surface:
    """A loss of two weights, and how to look at it.

    Attributes:
      name: for the reader.
      formula: the loss; its text is what is shown.
      bounds: of the view: least and greatest w1, least and greatest w2.
      start: where paths begin unless told otherwise.
      minima: where the loss is least, all of them or, of an own formula, the lowest
        point that is found in the view.
      minima_known: whether `minima` are those, and not what is found.
      rate: a learning rate with which gradient descent makes way and does not leave.
      noise: standard deviation of the noise in each component of the gradient, unless
        told otherwise.
    """

    name: str
    formula: Formula
    bounds: Bounds
    start: Point
    minima: tuple[Point, ...] = ((0.0, 0.0),)
    minima_known: bool = True
    rate: float
    noise: float = 0.0

    def loss(self, w: jax.Array | np.ndarray) -> jax.Array:
        """The loss at `w` of shape (2, ...), shape (...); traceable."""
        return self.formula(w[0], w[1])


@dataclasses.dataclass(frozen=True)
class Grid:
    """A surface over its view, for contours.

    Attributes:
      w1: shape (n,), float64.
      w2: shape (n,), float64.
      losses: shape (n, n), a row for each w2; NaN where the loss is no finite number.
      notice: one sentence where that is so somewhere.
    """

    w1: np.ndarray
    w2: np.ndarray
    losses: np.ndarray
    notice: str | None


def from_formula(
    text: str, bounds: Bounds = VIEW, start: Point | None = None
) -> Surface:
    """A surface of the user's own.

    Args:
      text: its formula.
      bounds: of the view.
      start: where paths begin; None: three quarters of the way to a corner.

    Raises:
      FormulaError: the text is no formula, the bounds are no view, or nowhere in the
        view is the loss a finite number.
    """
    parsed = formula.parse(text)
    check_bounds(bounds)
    seen = grid(parsed, bounds)
    if np.isnan(seen.losses).all():
        raise FormulaError(
            f"The loss {parsed.text!r} is no finite number anywhere in the view."
        )
    if start is None:
        (low, high), (left, right) = bounds
        start = (high - (high - low) / 8, right - (right - left) / 8)
    return Surface(
        name="Your own",
        formula=parsed,
        bounds=bounds,
        start=start,
        minima=(_lowest(parsed, bounds),),
        minima_known=False,
        rate=_rate(seen, start),
    )


def check_bounds(bounds: Bounds) -> None:
    """Raises FormulaError unless the bounds are those of a view."""
    for name, (low, high) in zip(formula.VARIABLES, bounds, strict=True):
        # Written so that NaN fails.
        if not (-WIDEST <= low and high <= WIDEST and high - low >= NARROWEST):
            raise FormulaError(
                f"The view of {name} must be at least {NARROWEST:g} wide and within "
                f"±{WIDEST:g}, got {low:g} to {high:g}."
            )


# Every event of a page asks for the grid of its view, which few events change.
@functools.lru_cache(maxsize=8)
def grid(loss: Formula, bounds: Bounds, size: int = GRID) -> Grid:
    """The losses at `size` × `size` points of a view."""
    w1, w2 = (np.linspace(low, high, size) for low, high in bounds)
    with jax.enable_x64(True):
        losses = np.array(_evaluate(loss)(w1[None, :], w2[:, None]))
    # What float32, in which a copied optimizer would run, cannot hold is not finite.
    lost = ~(np.abs(losses) <= np.finfo(np.float32).max)
    losses[lost] = math.nan
    notice = None
    if lost.any():
        share = max(100 * lost.mean(), 0.1)
        notice = f"The loss is no finite number in {share:.2g} % of the view (blank)."
    losses.flags.writeable = False  # as all who ask for it share it
    return Grid(w1, w2, losses, notice)


# A page that is open for days sees many formulas: what is compiled must not pile up.
@functools.lru_cache(maxsize=32)
def _evaluate(loss: Formula):
    return jax.jit(lambda w1, w2: loss(w1, w2))


@functools.lru_cache(maxsize=8)
def _lowest(loss: Formula, bounds: Bounds) -> Point:
    """The lowest point of the view, looked for ever closer around the best one."""
    lows, highs = np.array(bounds).T
    least, lowest = math.inf, (lows + highs) / 2
    for reach in np.outer(3.0 ** -np.arange(LOOKS), (highs - lows) / 2):
        ends = np.clip([lowest - reach, lowest + reach], lows, highs)
        seen = grid.__wrapped__(loss, ends.T)  # of which none is asked for again
        losses = np.nan_to_num(seen.losses, nan=math.inf)
        if losses.min() < least:
            least, (row, column) = losses.min(), divmod(int(losses.argmin()), GRID)
            lowest = np.array([seen.w1[column], seen.w2[row]])
    return float(lowest[0]), float(lowest[1])


def _rate(seen: Grid, start: Point) -> float:
    """One over the curvature where descent from the start may come, to one digit."""
    row = np.abs(seen.w2 - start[1]).argmin()
    column = np.abs(seen.w1 - start[0]).argmin()
    high = seen.losses[row, column]
    curvatures = []
    for losses, w in ((seen.losses, seen.w1), (seen.losses.T, seen.w2)):
        bends = np.abs(np.diff(losses, n=2, axis=1)) / (w[1] - w[0]) ** 2
        # All of the view where the start itself has no loss.
        below = bends[~(losses[:, 1:-1] > high)]
        curvatures.append(below[np.isfinite(below)])
    curvature = np.concatenate(curvatures)
    steep = float(np.percentile(curvature, 95)) if curvature.size else 0.0
    rate = 1 / steep if steep > 0 else (seen.w1[-1] - seen.w1[0]) / 100
    return one_digit(min(max(rate, 1e-5), 10.0))


def one_digit(number: float) -> float:
    """The number of one significant digit that is nearest."""
    return float(f"{number:.0e}")


def _preset(name: str, text: str, **rest) -> Surface:
    return Surface(name=name, formula=formula.parse(text), **rest)


def tutorial_hill(depth: float = 0.025) -> str:
    """Gaussians: a hill, a small hole of some depth behind it, and then a valley."""
    return (
        "0.05*(exp(-(w1**2 + w2**2)/(2*1.5**2)) - exp(-((w1 - 8)**2 + w2**2)/"
        f"(2*1.5**2))) - {depth}*exp(-((w1 - 4)**2 + w2**2)/(2*0.7**2))"
    )


def _rotated(surface: Surface, bounds: Bounds) -> Surface:
    """Turned with its start, by the angle of the triangle of sides 3, 4 and 5.

    To a method that does not look at axes nothing changes.
    """
    turned = {"w1": "(0.8*w1 + 0.6*w2)", "w2": "(0.8*w2 - 0.6*w1)"}
    text = re.sub("w[12]", lambda found: turned[found[0]], surface.formula.text)
    w1, w2 = surface.start
    return dataclasses.replace(
        surface,
        name=f"{surface.name}, rotated",
        formula=formula.parse(text),
        bounds=bounds,
        start=(round(0.8 * w1 - 0.6 * w2, 3), round(0.6 * w1 + 0.8 * w2, 3)),
    )


_QUADRATIC = _preset(
    "Quadratic",
    "3*w1**2 + 10*w2**2",
    bounds=((-20.0, 20.0), (-25.0, 25.0)),
    start=(-15.0, 20.0),
    rate=0.02,
)
_RAVINE = _preset(
    "Ravine",
    "0.1*w1**2 + 10*w2**2",
    bounds=((-10.0, 10.0), (-4.0, 4.0)),
    start=(-8.0, 2.0),
    rate=0.09,
)
_NOISY = _preset(
    "Noisy quadratic",
    "0.5*w1**2 + 2.5*w2**2",
    bounds=((-6.0, 6.0), (-6.0, 6.0)),
    start=(-5.0, 4.0),
    rate=0.1,
    noise=4.0,
)

# The quadratic is the example of Tutorial A. The two named after a tutorial are ours,
# with what it says of its own, which it only shows.
PRESETS: Mapping[str, Surface] = {
    "quadratic": _QUADRATIC,
    "quadratic_rotated": _rotated(_QUADRATIC, ((-30.0, 30.0), (-25.0, 25.0))),
    "ravine": _RAVINE,
    "ravine_rotated": _rotated(_RAVINE, ((-10.0, 10.0), (-8.0, 8.0))),
    "tutorial_ravine": _preset(
        "Ravine of Tutorial B",
        "(100*w1**2 + w2**2)/2",
        bounds=((-4.0, 4.0), (-12.0, 12.0)),
        start=(1.0, -10.0),
        rate=0.0196,  # 0.98 of the largest stable one
    ),
    "hill": _preset(
        "Hill with a hole before the valley",
        "exp(-(w1**2 + w2**2)/4) - 0.3*exp(-5*(w1 - 3)**2 - w2**2/4)"
        " - exp(-((w1 - 6)**2 + w2**2)/8)",
        bounds=((-2.0, 9.0), (-4.0, 4.0)),
        start=(0.5, 0.3),
        minima=((6.001474742193571, 0.0),),
        rate=0.1,
    ),
    "tutorial_hill": _preset(
        "Hill of Tutorial A",
        tutorial_hill(),
        bounds=((-2.5, 11.0), (-3.0, 3.0)),
        start=(0.3, 0.1),
        minima=((8.00000458105244, 0.0),),
        rate=20.0,
    ),
    "rosenbrock": _preset(
        "Rosenbrock",
        "(1 - w1)**2 + 100*(w2 - w1**2)**2",
        bounds=((-2.0, 2.0), (-1.0, 3.0)),
        start=(-1.2, 1.0),
        minima=((1.0, 1.0),),
        rate=1e-3,
    ),
    "beale": _preset(
        "Beale",
        "(1.5 - w1 + w1*w2)**2 + (2.25 - w1 + w1*w2**2)**2"
        " + (2.625 - w1 + w1*w2**3)**2",
        bounds=((-4.5, 4.5), (-4.5, 4.5)),
        start=(1.0, 1.0),
        minima=((3.0, 0.5),),
        rate=0.01,
    ),
    "himmelblau": _preset(
        "Himmelblau",
        "(w1**2 + w2 - 11)**2 + (w1 + w2**2 - 7)**2",
        bounds=((-6.0, 6.0), (-6.0, 6.0)),
        start=(-0.5, -1.0),
        minima=(
            (3.0, 2.0),
            (-2.805118086952745, 3.131312518250573),
            (-3.779310253377747, -3.283185991286170),
            (3.584428340330492, -1.848126526964404),
        ),
        rate=0.01,
    ),
    "noisy": _NOISY,
    "noisy_rotated": _rotated(_NOISY, ((-8.0, 8.0), (-6.0, 6.0))),
}
