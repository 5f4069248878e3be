"""The one table of optimizers and links: every way of calling each that differs.

A new optimizer is one `Row` here, and the tests of the contract, of the references and
of the public surface take it from there. An argument that `ranges.py` does not know
has its range in the row.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

import optax_sign

from .ranges import PROPER_AVERAGE, SIGNS, SPHERE_RATES, SPHERES, Range
from .reference import (
    oscillation,
    resilience,
    rounding,
    sign_family,
    sphere,
    variance_adaptation,
)


def matrices(params: Any) -> Any:
    """Select the leaves of two or more axes, as a normalised network would."""
    return jax.tree.map(lambda p: jnp.ndim(p) >= 2, params)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One way of calling one public factory, and what is to be expected of it."""

    name: str  # unique: the factory's, and after a dash what is special
    factory: Callable[..., optax.GradientTransformationExtraArgs]
    options: Mapping[str, Any]  # keyword arguments for the factory
    # The transcription in `reference/`. Of optimizers it takes (parameters, gradients,
    # **options) and returns updates; of a link, what its own docstring says. An option
    # of the factory that it lacks, or that means another type there, is the reader's.
    reference: Callable[..., Any]
    ranges: Mapping[str, Range | None] = dataclasses.field(default_factory=dict)
    # Of arguments that `ranges.py` lacks or that mean something else there; once is
    # enough for all rows of a factory.
    link: bool = False  # no learning rate and no minus sign
    needs_params: bool = False  # even where nothing decays
    needs_variance: bool = False  # update(..., variance=tree)
    takes_sign: bool = False  # so it magnifies the rounding of a cancelled average
    wide_updates: bool = False  # those of narrow parameters are float32
    couples: bool = False  # a reduction joins the leaves: parts differ from the whole
    accumulators: tuple[str, ...] = ()  # arguments that set a dtype of the state
    state_bytes: tuple[int, int] = (0, 0)  # per float32 and per bfloat16 parameter
    # Which later updates one bad gradient spoils: those of the "weight", the "leaf",
    # the "matrices", "all" leaves, or none.
    after_nan: str = "weight"
    after_infinity: str = "weight"

    @property
    def public_name(self) -> str:
        """The name in `optax_sign` that this row calls."""
        return self.factory.__name__

    @property
    def decays(self) -> bool:
        """Whether the factory takes a weight decay."""
        return "weight_decay" in inspect.signature(self.factory).parameters

    def make(self, **changes: Any) -> optax.GradientTransformationExtraArgs:
        """Call the factory with the row's options, changed as given."""
        return self.factory(**{**self.options, **changes})


# Dyadic numbers: a few steps on small integers are exact, in float32 and in any order.
RATE = {"learning_rate": 0.125}
MOMENTUM = {**RATE, "beta": 0.75}
MINI_BATCH = {**MOMENTUM, "variance": "mini_batch"}
RESILIENCE = {"beta": 0.75, "decay": 0.5}
WRAPPED = {**RATE, "beta": 0.5}
GLOBAL_RESILIENCE = {**RESILIENCE, "decay_every": 2, "scope": "global", "eps": 0.25}

ONE_ACCUMULATOR = {"accumulators": ("mu_dtype",), "state_bytes": (4, 2)}
FORGETFUL = {"after_nan": "", "after_infinity": ""}
TWO_ACCUMULATORS = {"accumulators": ("mu_dtype", "nu_dtype"), "state_bytes": (8, 4)}


DECAYS = {"beta": PROPER_AVERAGE}  # of the squares, too


def _row(factory, reference, options, special="", **expected):
    name = f"{factory.__name__}-{special}" if special else factory.__name__
    return Row(
        name=name, factory=factory, reference=reference, options=options, **expected
    )


def _variance_adapted(factory, options, special="", **expected):
    expected["needs_variance"] = options.get("variance") == "mini_batch"
    reference = getattr(variance_adaptation, factory.__name__)
    expected = {**TWO_ACCUMULATORS, "ranges": DECAYS, **expected}
    return _row(factory, reference, options, special, **expected)


def _factor(options, special="", **expected):
    return _row(
        optax_sign.scale_by_variance_adaptation,
        variance_adaptation.factors,  # γ alone, without the direction
        {"beta": 0.75, **options},
        special,
        link=True,
        ranges=DECAYS,
        needs_variance=options.get("variance") == "mini_batch",
        **expected,
        **TWO_ACCUMULATORS,
    )


OPTIMIZERS = [
    _row(optax_sign.ssd, sign_family.ssd, RATE, takes_sign=True, **FORGETFUL),
    _row(optax_sign.m_sgd, sign_family.m_sgd, MOMENTUM, **ONE_ACCUMULATOR),
    _row(
        optax_sign.m_ssd,
        sign_family.m_ssd,
        MOMENTUM,
        takes_sign=True,
        after_infinity="",
        **ONE_ACCUMULATOR,
    ),
    _row(
        optax_sign.mas,
        sign_family.mas,
        MOMENTUM,
        takes_sign=True,
        after_infinity="",
        **ONE_ACCUMULATOR,
    ),
    _variance_adapted(optax_sign.svag, MOMENTUM),
    # The variance of the gradient is the one that is given: nothing to average.
    _variance_adapted(optax_sign.svag, MINI_BATCH, "mini_batch", **ONE_ACCUMULATOR),
    _variance_adapted(optax_sign.m_svag, MOMENTUM),
    _variance_adapted(optax_sign.m_svag, MINI_BATCH, "mini_batch"),
    _variance_adapted(
        optax_sign.adam_star, MOMENTUM, takes_sign=True, ranges={**DECAYS, **SIGNS}
    ),
    _variance_adapted(
        optax_sign.adam_star,
        {**MOMENTUM, "momentum": False},
        "plain",
        takes_sign=True,
    ),
    _variance_adapted(
        optax_sign.adam_star, {**MOMENTUM, "factor": "erf"}, "erf", takes_sign=True
    ),
    _variance_adapted(
        optax_sign.adam_star,
        {**MINI_BATCH, "factor": "erf"},
        "mini_batch",
        takes_sign=True,
    ),
    _variance_adapted(
        optax_sign.adam_star,
        {**MINI_BATCH, "momentum": False},
        "plain_mini_batch",
        takes_sign=True,
        **ONE_ACCUMULATOR,
    ),
    _row(
        optax_sign.adarem,
        resilience.adarem,
        {**RATE, **RESILIENCE},
        after_nan="leaf",
        **ONE_ACCUMULATOR,
    ),
    _row(
        optax_sign.adarem,
        resilience.adarem,
        {**RATE, **GLOBAL_RESILIENCE},
        "global",
        couples=True,
        after_nan="all",
        **ONE_ACCUMULATOR,
    ),
    _row(
        optax_sign.adarem_s,
        sphere.adarem_s,  # `scale_invariant` is a list of bools there
        {**RATE, **RESILIENCE, "scale_invariant": matrices},
        ranges=SPHERE_RATES,
        needs_params=True,
        couples=True,
        after_nan="matrices",
        after_infinity="matrices",
        **ONE_ACCUMULATOR,
    ),
    _row(
        optax_sign.adarem_s,
        sphere.adarem_s,
        {
            **RATE,
            **GLOBAL_RESILIENCE,
            "scale_invariant": matrices,
            "radius": 2.0,
            "sphere_scope": "leaf",
        },
        "leaf",
        needs_params=True,
        couples=True,
        after_nan="matrices",  # by the maximum of all
        after_infinity="leaf",
        **ONE_ACCUMULATOR,
    ),
]

LINKS = [
    _factor({}),
    _factor({"momentum": False, "factor": "erf"}, "erf"),
    _factor(
        {"direction": optax.scale_by_sign(), "factor": "sign"}, "sign", takes_sign=True
    ),
    _factor({"variance": "mini_batch"}, "mini_batch"),
    _row(
        optax_sign.scale_by_resilience,
        resilience.resilient_gradients,
        RESILIENCE,
        link=True,
        after_nan="leaf",
        **ONE_ACCUMULATOR,
    ),
    _row(
        optax_sign.scale_by_resilience,
        resilience.resilient_gradients,
        GLOBAL_RESILIENCE,
        "global",
        link=True,
        couples=True,
        after_nan="all",
        **ONE_ACCUMULATOR,
    ),
    _row(
        optax_sign.project_to_sphere,
        sphere.project_to_sphere,
        {},
        ranges={"scope": SPHERES},
        link=True,
        needs_params=True,
        couples=True,
        **FORGETFUL,
    ),
    _row(
        optax_sign.project_to_sphere,
        sphere.project_to_sphere,
        {"radius": 2.0, "scope": "leaf"},
        "leaf",
        link=True,
        needs_params=True,
        **FORGETFUL,
    ),
    _row(
        optax_sign.scale_by_sphere_learning_rate,
        sphere.scale_by_sphere_learning_rate,
        {**RATE, "weight_decay": 0.25, "radius": 2.0},
        ranges={**SPHERE_RATES, "scope": SPHERES},
        link=True,
        needs_params=True,
        couples=True,
        after_nan="all",
        after_infinity="all",
    ),
    _row(
        optax_sign.scale_by_sphere_learning_rate,
        sphere.scale_by_sphere_learning_rate,
        {**RATE, "weight_decay": 0.25, "scope": "leaf"},
        "leaf",
        link=True,
        needs_params=True,
        after_nan="leaf",
        after_infinity="leaf",
    ),
    _row(
        optax_sign.hyperball,
        sphere.hyperball,  # of given directions: those of `inner` are the reader's
        {**RATE, "inner": optax_sign.scale_by_resilience(**RESILIENCE)},
        link=True,
        needs_params=True,
        after_nan="leaf",
        after_infinity="leaf",
        state_bytes=(4, 2),  # of `inner`
    ),
    _row(
        optax_sign.track_oscillation,
        oscillation.path_length,  # of all updates; `displacement` is the other half
        {},
        link=True,
        state_bytes=(8, 8),
        **FORGETFUL,
    ),
    _row(
        optax_sign.keep_master_copy,
        rounding.keep_master_copy,  # of given updates: those of `optimizer` here
        {"optimizer": optax_sign.mas(**WRAPPED)},
        link=True,
        needs_params=True,
        takes_sign=True,
        wide_updates=True,
        after_infinity="",
        state_bytes=(4, 8),  # of `optimizer`, and of the copy
    ),
    _row(
        optax_sign.skip_zero_gradients,
        rounding.skip_zero_gradients,  # of given updates, too
        {"optimizer": optax_sign.ssd(**RATE)},
        link=True,
        takes_sign=True,
        **FORGETFUL,
    ),
]

ROWS = [*OPTIMIZERS, *LINKS]
