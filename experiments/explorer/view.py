"""All that a view of the explorer shows: the surface, the paths and what moves them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from experiments.errors import ConfigError, unknown
from experiments.paths import formula, surfaces, trajectory
from experiments.paths import optimizers as methods
from experiments.paths.surfaces import Bounds, Point, Surface
from experiments.paths.tunable import Method, Value

MAX_OPTIMIZERS = 8
MAX_NOISE = 1e6
MAX_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Shown:
    """One optimizer in the view.

    Attributes:
      key: among `methods.METHODS`.
      values: name → value of sliders and choices, as pairs; completed with the defaults
        and put into their order.
      components: names of those that are drawn; put into the order of the method.
    """

    key: str
    values: tuple[tuple[str, Value], ...] = ()
    components: tuple[str, ...] = ()

    def __post_init__(self):
        checked = self.method.checked(dict(self.values))
        known = dict(self.method.components)
        for name in self.components:
            if name not in known:
                raise unknown(f"component of {self.method.label}", name[:50], known)
        drawn = tuple(name for name in known if name in self.components)
        object.__setattr__(self, "values", tuple(checked.items()))
        object.__setattr__(self, "components", drawn)

    @property
    def method(self) -> Method:
        """What `key` stands for."""
        return methods.find(self.key)


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """The whole state of a view.

    Attributes:
      surface: key of a preset; None: the user's own formula.
      formula: that one where `surface` is None, else "".
      bounds: of the view on an own formula.
      start: where all paths begin.
      noise: standard deviation of the noise on each component of the gradients.
      steps: of every path.
      seed: of the noise.
      optimizers: from first to last.

    Raises:
      ConfigError: a field is out of its range.
    """

    surface: str | None = "quadratic"
    formula: str = ""
    bounds: Bounds = surfaces.VIEW
    start: Point = (-15.0, 20.0)
    noise: float = 0.0
    steps: int = 300
    seed: int = 0
    optimizers: tuple[Shown, ...] = ()

    def __post_init__(self):
        if self.surface is None:
            object.__setattr__(self, "formula", formula.parse(self.formula).text)
            surfaces.check_bounds(self.bounds)
        elif self.surface not in surfaces.PRESETS:
            raise unknown("surface", self.surface[:50], surfaces.PRESETS)
        elif self.formula or self.bounds != surfaces.VIEW:
            raise ConfigError(
                f"A view shows the surface {self.surface!r} or a formula, not both."
            )
        for coordinate in self.start:
            _check("start", coordinate, -surfaces.WIDEST, surfaces.WIDEST)
        _check("noise", self.noise, 0, MAX_NOISE)
        _check("steps", self.steps, 1, trajectory.MAX_STEPS)
        _check("seed", self.seed, 0, MAX_SEED)
        for name in ("steps", "seed"):
            object.__setattr__(self, name, int(getattr(self, name)))
        if len(self.optimizers) > MAX_OPTIMIZERS:
            raise ConfigError(
                f"A view shows at most {MAX_OPTIMIZERS} optimizers, got "
                f"{len(self.optimizers)}."
            )

    def resolve(self) -> Surface:
        """The surface that is shown.

        Raises:
          FormulaError: the formula is nowhere in the view a finite number.
        """
        if self.surface is None:
            return surfaces.from_formula(self.formula, self.bounds, self.start)
        return surfaces.PRESETS[self.surface]


FIRST = (Shown("sgd"), Shown("momentum"), Shown("adam"))


def of_preset(key: str, optimizers: Sequence[Shown] = FIRST) -> View:
    """A preset as it is first shown, with these optimizers at rates that suit it.

    Raises:
      ConfigError: there is none of this key.
    """
    return _first(View(surface=key).resolve(), optimizers, surface=key)


def of_formula(
    text: str, bounds: Bounds = surfaces.VIEW, optimizers: Sequence[Shown] = FIRST
) -> View:
    """An own formula as it is first shown, with optimizers at rates that suit it.

    Raises:
      FormulaError: the text is no formula, the bounds are no view, or nowhere in the
        view is the loss a finite number.
    """
    surface = surfaces.from_formula(text, bounds)
    own: Any = {"surface": None, "formula": text, "bounds": bounds}
    return _first(surface, optimizers, **own)


def at_fitting_rate(
    key: str, surface: Surface, components: Sequence[str] = ()
) -> Shown:
    """An optimizer with its defaults and a learning rate that suits the surface."""
    values = methods.find(key).starting_values(surface)
    return Shown(key, tuple(values.items()), tuple(components))


def _first(on: Surface, optimizers: Sequence[Shown], **named: Any) -> View:
    suited = tuple(at_fitting_rate(s.key, on, s.components) for s in optimizers)
    return View(start=on.start, noise=on.noise, optimizers=suited, **named)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # nor is NaN
        raise ConfigError(
            f"{name} must lie between {low:g} and {high:g}, got {value:g}."
        )
