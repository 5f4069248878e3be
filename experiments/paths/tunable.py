"""What an optimizer of the explorer is: sliders, its optax expression, components.

`Call` is both the optimizer and its expression, so what the page offers to copy is what
it has drawn. The numbers of sliders may be tracers: no optimizer looks at their values.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from experiments.errors import ConfigError, unknown
from experiments.paths.inner_state import Step
from experiments.paths.surfaces import Surface, one_digit

Value = float | bool | str


@dataclasses.dataclass(frozen=True)
class Slider:
    """A number: the optimizer accepts every one from `low` to `high`.

    A learning rate has a `measure`, what it multiplies: "gradient"; "stride", steps of
    about length 1; or "angle", steps relative to the distance from the origin.
    """

    name: str
    low: float
    high: float
    default: float
    logarithmic: bool = False
    measure: str = ""


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few things, compiled in; the first is the default."""

    name: str
    options: tuple[Value, ...]


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of a public function of optax or optax_sign.

    Attributes:
      function: what is called.
      options: the sliders and choices that are its arguments of the same name.
      parts: calls whose results are its first arguments.
      fixed: arguments that are always the same.
    """

    function: Callable[..., optax.GradientTransformation]
    options: tuple[Slider | Choice, ...] = ()
    parts: tuple["Call", ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()

    def build(self, values: Mapping[str, Any]) -> optax.GradientTransformation:
        """The optimizer; numbers may be tracers."""
        parts = (part.build(values) for part in self.parts)
        return self.function(*parts, **self._named(values))

    def text(self, values: Mapping[str, Any]) -> str:
        """The expression that makes the same after `import optax, optax_sign`."""
        arguments = [part.text(values) for part in self.parts]
        arguments += [
            f"{name}={value!r}" for name, value in self._named(values).items()
        ]
        package = self.function.__module__.partition(".")[0]
        return f"{package}.{self.function.__name__}({', '.join(arguments)})"

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {o.name: values[o.name] for o in self.options} | dict(self.fixed)


@dataclasses.dataclass(frozen=True)
class Method:
    """An optimizer to choose.

    Attributes:
      label: for the reader.
      call: the optimizer and its expression.
      explanation: two sentences for someone who has never seen it.
      components: name → what is read from a step.
    """

    label: str
    call: Call
    explanation: str
    components: tuple[tuple[str, Callable[[Step], jax.Array]], ...] = ()

    @property
    def sliders(self) -> tuple[Slider, ...]:
        """Its numbers."""
        return tuple(o for o in self._options if isinstance(o, Slider))

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Its other options."""
        return tuple(o for o in self._options if isinstance(o, Choice))

    @property
    def _options(self) -> tuple[Slider | Choice, ...]:
        calls = (self.call, *self.call.parts)
        return tuple(option for call in calls for option in call.options)

    def expression(self, values: Mapping[str, Value] | None = None) -> str:
        """The exact optax expression, ready to copy."""
        return self.call.text(self.checked(values or {}))

    def checked(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """All values, with the defaults of those that are not given.

        Raises:
          ConfigError: there is no such value, or it is out of its range.
        """
        complete: dict[str, Value] = {s.name: s.default for s in self.sliders}
        complete |= {choice.name: choice.options[0] for choice in self.choices}
        for name in values:
            if name not in complete:
                raise unknown(f"option of {self.label}", name[:50], complete)
        complete |= values
        for slider in self.sliders:
            value = complete[slider.name]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and slider.low <= value <= slider.high):  # NaN is not
                raise ConfigError(
                    f"{slider.name} of {self.label} must lie between {slider.low:g} "
                    f"and {slider.high:g}, got {str(value)[:50]}."
                )
            complete[slider.name] = float(value)
        for choice in self.choices:
            value = complete[choice.name]
            if value not in choice.options:
                allowed = " or ".join(map(repr, choice.options))
                raise ConfigError(
                    f"{choice.name} of {self.label} must be {allowed}, got "
                    f"{str(value)[:50]!r}."
                )
            # The 1 that is equal to True is not what the expression should say.
            complete[choice.name] = choice.options[choice.options.index(value)]
        return complete

    def starting_values(self, surface: Surface) -> dict[str, Value]:
        """The defaults, with a learning rate that suits the surface."""
        (low, high), _ = surface.bounds
        rate = {"gradient": surface.rate, "stride": one_digit((high - low) / 200)}
        slider = next(s for s in self.sliders if s.measure)
        fitting = rate.get(slider.measure, slider.default)
        fitting = min(max(fitting, slider.low), slider.high)
        return self.checked({"learning_rate": fitting})
