"""What no gradient, however hostile, may break."""

import itertools

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax

import optax_sign

from .catalogue import OPTIMIZERS
from .reference import moments
from .reference.arithmetic import erf, ratio
from .walks import scan

STEPS, SIZE = 6, 4
FACTORS = ["magnitude", "sign", "erf"]
# The largest gradient tried; a quarter of what float16 holds, as AdaRem doubles some.
LARGEST = {"float32": 1e30, "bfloat16": 1e30, "float16": 1.6e4}
# Of a dtype: the relative error of one rounding.
ROUND_OFF = {dtype: float(jnp.finfo(dtype).eps) / 2 for dtype in LARGEST}

property_test = hypothesis.settings(
    derandomize=True,
    deadline=None,  # the first example compiles
    database=None,
    max_examples=50,
)


def arrays(magnitudes):
    signs = st.sampled_from([1, -1])
    signed = st.builds(lambda size, sign: sign * size, magnitudes, signs)
    return hnp.arrays(np.float32, (STEPS, SIZE), elements=signed, fill=st.nothing())


def in_every_dtype(values):
    return {
        dtype: np.asarray(jnp.asarray(np.clip(values, -top, top), dtype))
        for dtype, top in LARGEST.items()
    }


def one_of(*numbers):
    return st.sampled_from([0.0, *(float(np.float32(number)) for number in numbers)])


# Zeros, the smallest denormal and normal of each dtype, tiny and giant numbers.
EDGES = one_of(
    *(jnp.finfo(dtype).smallest_subnormal for dtype in LARGEST),
    *(jnp.finfo(dtype).tiny for dtype in LARGEST),
    *(1e-30, 1e-20, 1.0, 1e20, 1e30),
)
HOSTILE = arrays(EDGES | st.floats(0, 2**100, width=32) | st.floats(0, 8, width=32))
# Whose squares neither overflow nor underflow.
MODERATE = arrays(st.floats(2**-40, 2**40, width=32) | one_of(1.0))
# Small multiples of 1/16.
DYADIC = arrays(st.integers(0, 128).map(lambda n: n / 16))


# As the direction, it leaves of a link only its factor.
ONES = optax.stateless(lambda updates, params: jax.tree.map(jnp.ones_like, updates))


def gamma(**options):
    return optax_sign.scale_by_variance_adaptation(ONES, **options)


@jax.jit
def all_factors(gradients, variances):
    return [
        scan(gamma(factor=factor, momentum=momentum, variance=kind), gradients, v)[0]
        for factor, momentum, (kind, v) in itertools.product(
            FACTORS,
            [True, False],
            [("moving_average", None), ("mini_batch", variances)],
        )
    ]


@property_test
@hypothesis.given(HOSTILE, HOSTILE.map(np.abs))
def test_factors_lie_between_zero_and_one(gradients, variances):
    factors = all_factors(in_every_dtype(gradients), in_every_dtype(variances))
    for leaf in jax.tree.leaves(factors):
        # Exactly: also NaN fails.
        assert np.all((leaf >= 0) & (leaf <= 1))


@jax.jit
def adapted(gradients):
    names = ["svag", "m_svag", "adam_star"]
    return {name: scan(getattr(optax_sign, name)(1.0), gradients) for name in names}


@property_test
@hypothesis.given(HOSTILE)
def test_variance_adaptation_never_turns_a_direction(gradients):
    gradients = in_every_dtype(gradients)
    results = adapted(gradients)
    for name, (updates, state) in results.items():
        directions = gradients if name == "svag" else state[0].mu
        for update, d in zip(*map(jax.tree.leaves, (updates, directions)), strict=True):
            assert not np.any(np.sign(update) * np.sign(np.float32(d)) > 0), name


FADING = 0.75


@jax.jit
def resilient(gradients):
    scopes = ["leaf", "global"]
    return {
        scope: scan(
            optax_sign.scale_by_resilience(decay=FADING, scope=scope), gradients
        )[0]
        for scope in scopes
    }


@property_test
@hypothesis.given(HOSTILE)
def test_resilience_stays_within_its_bounds(gradients):
    gradients = in_every_dtype(gradients)
    for scaled in resilient(gradients).values():
        for dtype, update in scaled.items():
            g, update = (np.float64(x) for x in (gradients[dtype], update[...]))
            assert np.all(np.isfinite(update))
            assert np.all(update * np.sign(g) >= 0)
            # Products below the smallest normal number are rounded to zero or worse.
            normal = np.abs(g) > 8 * float(jnp.finfo(dtype).tiny)
            a = update[normal] / g[normal]
            # Rounded three times in float32, and once to its dtype.
            slack = 1 + 3 * ROUND_OFF["float32"] + ROUND_OFF[dtype]
            assert np.all(a >= (1 - FADING) / slack)
            assert np.all(a <= (1 + FADING) * slack)
            assert np.all((update[0] == g[0]) | ~normal[0])


@jax.jit
def every_optimizer(gradients, variances):
    return {
        row.name: scan(row.make(weight_decay=0.125), gradients, variances)[0]
        for row in OPTIMIZERS
    }


@property_test
@hypothesis.given(HOSTILE, HOSTILE.map(np.abs))
def test_finite_gradients_give_finite_updates(gradients, variances):
    gradients, variances = (in_every_dtype(x) for x in (gradients, variances))
    for tree in (gradients, variances):
        # Two axes, which makes it a weight on the sphere for AdaRem-S.
        tree["float32"] = tree["float32"].reshape(STEPS, 2, -1)
    for name, updates in every_optimizer(gradients, variances).items():
        for leaf in jax.tree.leaves(updates):
            assert np.all(np.isfinite(np.float32(leaf))), name


@jax.jit
def of_sgd_family(gradients):
    return {
        (name, beta): scan(getattr(optax_sign, name)(1.0, beta), gradients)[0]
        for name in ("m_svag", "m_sgd", "svag")
        for beta in (0.5, 0.9)
    }


@property_test
@hypothesis.given(MODERATE)
def test_first_step_and_steps_on_a_constant_gradient_are_those_of_sgd(gradients):
    # Float16 has no square above 6e4 and loses digits below 6e-5.
    small = np.sign(gradients[0]) * np.clip(np.abs(gradients[0]), 0.1, 100)
    constant = {
        dtype: np.asarray(
            jnp.asarray([small if dtype == "float16" else gradients[0]] * STEPS, dtype)
        )
        for dtype in LARGEST
    }
    for (name, beta), updates in of_sgd_family(constant).items():
        for dtype, update in updates.items():
            sgd = -np.float64(constant[dtype])
            update, u = np.float64(update), ROUND_OFF[dtype]
            # (1-β) g is rounded, maybe once more to be stored; so are its quotient
            # and the update.
            np.testing.assert_allclose(update[0], sgd[0], rtol=4 * u, err_msg=name)
            # Later both averages are off by up to 2/(1-β) roundings, so v - m² by 6,
            # which 1/(1-ρ) ≤ 2.25 enlarges at most (β = 1/2, second step).
            later = (2 + 6 * 2.25 + 1) / (1 - beta) * u
            np.testing.assert_allclose(update, sgd, rtol=later, err_msg=name)


BETA = 0.75


@jax.jit
def adam_stars(gradients):
    return {
        (momentum, factor): scan(
            optax_sign.adam_star(1.0, BETA, momentum, factor), gradients
        )
        for momentum in (True, False)
        for factor in ("sign", "erf")
    }


@property_test
@hypothesis.given(MODERATE)
def test_adam_star_is_its_sign_times_its_magnitude(gradients):
    for (momentum, factor), (updates, state) in adam_stars(gradients).items():
        corrections = 1 - BETA ** np.arange(1, STEPS + 1)[:, None]
        m, v = (np.float64(x) / corrections for x in (state[0].mu, state[0].nu))
        rho = np.array([[moments.rho(BETA, t)] for t in range(STEPS)])
        s = np.zeros_like(v)
        s[1:] = np.maximum(v - m**2, 0)[1:] / (1 - rho[1:])
        noise = rho * s if momentum else s
        if factor == "sign":
            size = ratio(np.abs(m), np.sqrt(m**2 + noise))
        else:
            with np.errstate(divide="ignore"):
                size = erf(ratio(np.abs(m), np.sqrt(2 * noise)))
        direction = np.sign(m if momentum else gradients)
        # A relative rounding of v is one of 1/ρ of m² + ρ s, and so 7 at the most here;
        # half that in the root. Twenty of them. Below 1e-12 a square may underflow.
        bound = 20 * 7 / 2 * ROUND_OFF["float32"]
        np.testing.assert_allclose(
            np.float64(updates), -direction * size, rtol=0, atol=bound
        )
        if momentum and factor == "sign":
            certain = -ratio(m, np.sqrt(m**2 + noise))
            np.testing.assert_allclose(np.float64(updates), certain, atol=bound)


@jax.jit
def signs(gradients):
    return {
        name: scan(getattr(optax_sign, name)(0.125), gradients)[0]
        for name in ("ssd", "m_ssd", "mas")
    }


@property_test
@hypothesis.given(HOSTILE)
def test_sign_methods_make_full_steps_or_none(gradients):
    for name, updates in signs(in_every_dtype(gradients)).items():
        for leaf in jax.tree.leaves(updates):
            assert set(np.unique(np.abs(np.float32(leaf)))) <= {0.0, 0.125}, name


@jax.jit
def scale_free(gradients, variances):
    links = {
        f"{factor} {momentum} {kind}": gamma(
            factor=factor, momentum=momentum, variance=kind
        )
        for factor, momentum, kind in itertools.product(
            FACTORS, [True, False], ["moving_average", "mini_batch"]
        )
    }
    return {name: scan(link, gradients, variances)[0] for name, link in links.items()}


@property_test
@hypothesis.given(DYADIC, DYADIC.map(np.abs), st.integers(-20, 20))
def test_factors_do_not_know_the_unit_of_the_gradient(gradients, variances, power):
    unit = np.float32(2.0**power)
    before = scale_free(gradients, variances)
    after = scale_free(gradients * unit, variances * unit**2)
    for name in before:
        # Powers of two change no digit.
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    for scope, scaled in resilient({"float32": gradients}).items():
        other = resilient({"float32": gradients * unit})[scope]["float32"]
        np.testing.assert_array_equal(other, scaled["float32"] * unit, err_msg=scope)
