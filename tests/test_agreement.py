"""Every optimizer and link, step by step, against the float64 transcriptions."""

import itertools

import jax
import numpy as np
import optax
import pytest

import optax_sign

from .agreement import TWO_RANKS, check
from .catalogue import ROWS, matrices
from .reference import resilience, sign_family, sphere, variance_adaptation

# Round-off of float64 is u = 1.1e-16. An average of gradients of up to 8 commits up to
# 2/(1-β) of them, and may be as small as 0.05: 1.1e-16 · 20 · 8/0.05 = 3.5e-13. γ m
# has a slope of at most 9/8 in m. AdaRem's 1 - λ^t, 0.01 at the least, is u/0.01.
X64_BOUND = 1e-12
# The same with u = 6e-8, where β, and so the weight of what is k steps old, is rounded
# by k u too: in the mean over the weights another 1/(1-β). 6e-8 · 30 · 160 = 3e-4 is
# the worst case; a tenth, as errors of both signs meet and the extremes do not.
FLOAT32_BOUND = 3e-5

# Not dyadic, so that every product has to be rounded.
NUMBERS = {"learning_rate": 0.3, "beta": 0.9, "decay": 0.99}


def falling_rate(t):
    return 0.3 / (1 + 0.1 * t)


def rising_decay(t):
    return 0.02 * (1 + 0.05 * t)


def tuned(row, **changes):
    options = {k: NUMBERS.get(k, value) for k, value in row.options.items()}
    return {**options, **changes}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_in_float64_with_schedules(row):
    changes = {}
    if "learning_rate" in row.options:
        changes = {"learning_rate": falling_rate}
    if row.decays:
        changes["weight_decay"] = rising_decay
    with jax.enable_x64(True):
        check(
            {row.name: (row.factory, row.reference, tuned(row, **changes))},
            np.float64,
            X64_BOUND,
            moves_positions=bool(changes) or row.needs_params,
        )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_in_float32(row):
    changes = {"weight_decay": 0.02} if "weight_decay" in row.options else {}
    check(
        {row.name: (row.factory, row.reference, tuned(row, **changes))},
        np.float32,
        FLOAT32_BOUND,
        ranks=TWO_RANKS,
        moves_positions=row.needs_params,
    )


@pytest.mark.parametrize("momentum", [True, False])
@pytest.mark.parametrize("variance", ["moving_average", "mini_batch"])
def test_every_variance_adaptation(momentum, variance):
    directions = {"identity": None, "sign": optax.scale_by_sign()}
    cases = {
        f"{factor} {direction}": (
            optax_sign.scale_by_variance_adaptation,
            variance_adaptation.factors,
            {
                "beta": 0.5,
                "factor": factor,
                "direction": directions[direction],
                "momentum": momentum,
                "variance": variance,
            },
        )
        for factor, direction in itertools.product(
            ["magnitude", "sign", "erf"], directions
        )
    }
    with jax.enable_x64(True):
        check(cases, np.float64, X64_BOUND, ranks=TWO_RANKS, moves_positions=False)


def test_every_resilience():
    options = [
        {"beta": 0.5, "decay": 0.9, "scope": scope, "decay_every": every, "eps": eps}
        for scope, every, eps in itertools.product(
            ["leaf", "global"], [1, 7], [0.0, 0.3]
        )
    ]
    options += [{"decay": 0.0}, {"beta": 0.0, "decay": 0.9}]
    cases = {
        str(each): (
            optax_sign.scale_by_resilience,
            resilience.resilient_gradients,
            each,
        )
        for each in options
    }
    with jax.enable_x64(True):
        check(cases, np.float64, X64_BOUND, ranks=TWO_RANKS, moves_positions=False)


def test_every_sphere():
    def both_links(learning_rate, weight_decay, **limits):
        return optax.chain(
            optax_sign.scale_by_sphere_learning_rate(
                learning_rate, weight_decay, **limits
            ),
            optax_sign.project_to_sphere(**limits),
        )

    rates = {"learning_rate": falling_rate, "weight_decay": rising_decay}
    cases = {
        f"{scope} {radius}": (
            both_links,
            sphere.sphere_sgd,
            {**rates, "scope": scope, "radius": radius},
        )
        for scope, radius in itertools.product(["global", "leaf"], [None, 3.0])
    }
    with jax.enable_x64(True):
        check(cases, np.float64, X64_BOUND, ranks=(1, 3))


def test_defaults_are_those_of_the_sources():
    rate = {"learning_rate": 0.3}
    cases = {
        factory.__name__: (factory, getattr(module, factory.__name__), options)
        for factory, module, options in [
            (optax_sign.mas, sign_family, {}),
            (optax_sign.m_sgd, sign_family, rate),
            (optax_sign.m_ssd, sign_family, rate),
            (optax_sign.svag, variance_adaptation, rate),
            (optax_sign.m_svag, variance_adaptation, rate),
            (optax_sign.adam_star, variance_adaptation, rate),
            # λ = 0.999: 1 - λ is ten times smaller, so the bound is relative to more.
            (optax_sign.adarem, resilience, {**rate, "weight_decay": 0.02}),
            (optax_sign.adarem_s, sphere, {**rate, "scale_invariant": matrices}),
        ]
    }
    with jax.enable_x64(True):
        check(cases, np.float64, X64_BOUND, ranks=TWO_RANKS)
        check(
            {
                "scale_by_resilience": (
                    optax_sign.scale_by_resilience,
                    resilience.resilient_gradients,
                    {},
                )
            },
            np.float64,
            X64_BOUND,
            ranks=TWO_RANKS,
            moves_positions=False,
        )


@pytest.mark.parametrize("as_function", [True, False])
def test_mask_selects_what_decays(as_function):
    mask = matrices if as_function else [False, False, True, True, True]
    rates = {"learning_rate": 0.3, "weight_decay": 0.05}

    def masked_reference(start, gradients, **options):
        both = [
            variance_adaptation.m_svag(
                start, gradients, **{**options, "weight_decay": decay}
            )
            for decay in (0.0, 0.05)
        ]
        return [
            [bare if leaf.ndim < 2 else full for bare, full, leaf in leaves]
            for leaves in (
                zip(*step, start, strict=True) for step in zip(*both, strict=True)
            )
        ]

    def masked(**options):
        return optax_sign.m_svag(**options, mask=mask)

    with jax.enable_x64(True):
        check({"m_svag": (masked, masked_reference, rates)}, np.float64, X64_BOUND)
