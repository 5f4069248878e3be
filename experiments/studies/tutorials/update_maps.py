r"""What the second step of an optimizer makes of two gradients; momentum's map.

Tutorial A, Figure 4 of part 1, one weight and a rate of 1. With the momentum m after
the gradients :math:`g_1` and :math:`g_2`,

.. math::
  C_m = \pm [m(2) - m(1)]

with the sign of :math:`g_1`, which is + for 0. The bounds of the rule are read from the
tutorial's words.
"""

import functools
from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table

AXIS = np.linspace(-5.0, 5.0, 41)  # of both gradients
METHODS = {f"α = {a:g}": optax.trace(a) for a in (0.0, 0.4, 0.9, 1.0)}
DIGITS = 1e-4  # tables keep six digits of numbers up to ten


def steps(
    method: optax.GradientTransformation, g1: np.ndarray, g2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first and the second step, element by element."""
    with jax.enable_x64(True):
        first, state = method.update(jnp.asarray(g1), method.init(jnp.asarray(g1)))
        second, _ = method.update(jnp.asarray(g2), state)
        return np.asarray(first), np.asarray(second)


def grid(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """First gradients along the rows, second ones along the columns."""
    first, second = np.meshgrid(table["gradients"], table["gradients"])
    return first, second


def least_of(
    names: Iterable[str], measure: Callable[[Table, str], float]
) -> Callable[[Evidence], float]:
    """The least of all these maps."""
    return lambda e: np.min([measure(e.table, name) for name in names])


def maps(name: str, shown: Sequence[str], title: str, label: str) -> Drawing:
    """Maps on one scale, so that they can be compared: up to the largest gradient.

    Red is more and blue less; both darken away from 0, so that in grey the contour
    lines with their numbers tell them apart.

    Args:
      name: of the figure's file.
      shown: the maps' names in the table.
      title: of the figure.
      label: what the maps show.
    """

    def draw(evidence: Evidence) -> Figure:
        axis = np.asarray(evidence.table["gradients"])
        most = float(axis[-1])
        with figures.figure(3.0 * len(shown) + 1, 3.8, title, f"{label}.") as figure:
            panels = figure.subplots(1, len(shown), sharey=True)
            for axes, name in zip(panels, shown, strict=True):
                axes.grid(False)
                values = np.asarray(evidence.table[name])
                image = axes.pcolormesh(
                    axis, axis, values, cmap="RdBu_r", vmin=-most, vmax=most
                )
                lines = axes.contour(axis, axis, values, colors="black", linewidths=0.6)
                axes.clabel(lines, fontsize=7)
                axes.set(title=name, xlabel="first gradient g₁", aspect="equal")
            panels[0].set_ylabel("second gradient g₂")
            figure.colorbar(
                image, ax=list(panels), label="more (red), less (blue)", extend="both"
            )
        return figure

    return Drawing(name=name, draw=draw)


def momentum() -> Table:
    """The maps of momentum.

    Returns:
      "gradients", of both axes; by "α = …" the map, a row for each second gradient; and
      "/grown", by how much m has grown in magnitude from the first step to the second.
    """
    g1, g2 = np.meshgrid(AXIS, AXIS)
    result: dict[str, list] = {"gradients": AXIS.tolist()}
    for name, method in METHODS.items():
        first, second = steps(method, g1, g2)
        change = np.where(g1 >= 0, second - first, first - second)
        grown = np.abs(second) - np.abs(first)
        result[name] = change.tolist()
        result[f"{name}/grown"] = grown.tolist()
    return result


def _kept_case(table: Table, name: str, side: int) -> float:
    """The share of a case's points at which all holds that is said of the case.

    Args:
      table: of the maps of momentum.
      name: of one of them.
      side: 1 where the map is positive, -1 where it is negative.
    """
    first, second = grid(table)
    change, grown = np.asarray(table[name]), np.asarray(table[f"{name}/grown"])
    # Where the first gradient is 0 the map, as is said, is of no concern.
    case = (side * change > DIGITS) & (first != 0)
    agree = np.sign(first) * np.sign(second) * side
    kept = (agree > 0) & (np.abs(grown - change) <= DIGITS)
    return float(np.mean(kept[case]))


def slope(table: Table, name: str) -> float:
    """Of the contour lines where the first gradient is positive."""
    change, axis = np.asarray(table[name]), table["gradients"]
    spacing = axis[1] - axis[0]
    by_second, by_first = np.gradient(change[:, len(axis) // 2 + 1 :], spacing)
    return float(np.mean(-by_first / by_second))


MOMENTUM = Claim(
    id="ta-m-map",
    source="Tutorial A, part 1, Figure 4",
    statement="Where C_m(g₁, g₂) is positive, g₂ points as g₁ does and |m| grows by "
    "C_m; where it is negative, g₂ points the other way and |m| shrinks by |C_m|. "
    "The slope of its contour lines is highest for α = 0 and zero for α = 1.",
    protocol="g₁ and g₂ from -5 to 5 in steps of a quarter, α of 0, 0.4, 0.9 and 1; "
    "g₁ = 0 left out. The tutorial itself has g₁ = 2, g₂ = 1 and α = 0.4, where C_m is "
    "-0.2 although both point the same way",
    trial=Calculation(
        quantity="slope of the contour lines",
        table=momentum,
        values=lambda t: {name: slope(t, name) for name in METHODS},
        digits=2,
    ),
    rule=(
        *(
            rules.at_least(
                f"C_m {name}: share of points of which all of that is true, least "
                "of all α: 1",
                least_of(METHODS, functools.partial(_kept_case, side=side)),
                1.0,
            )
            for name, side in (("positive", 1), ("negative", -1))
        ),
        rules.at_least(
            "slope at α = 0, less the highest of the others: above 0",
            lambda e: np.min(
                [e.values["α = 0"].mean - e.values[name].mean for name in METHODS][1:]
            ),
            DIGITS,
        ),
        rules.between(
            "slope at α = 1: within 0.0001 of 0",
            lambda e: e.values["α = 1"].mean,
            -DIGITS,
            DIGITS,
        ),
    ),
    figure=maps(
        "figure-map-momentum",
        list(METHODS),
        "Tutorial A, part 1, Figure 4: by how much momentum changes",
        "C_m(g₁, g₂) = ±[m(2) - m(1)], with the sign of g₁",
    ),
)
