"""Resilience between other links: what comes in is averaged, scaled and not turned."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from optax_sign import scale_by_resilience

from .reference.resilience import resilient_gradients
from .walks import scan

STEPS = 50
OPTIONS = {"beta": 0.8, "decay": 0.98}
# Entries of norms from 0.1 to 10, so that clipping at 1 acts on some steps only.
SIZES = np.geomspace(0.1, 10, STEPS)[np.random.default_rng(1).permutation(STEPS)]


def noise(dtype=np.float64):
    rng = np.random.default_rng(0)
    steps = {"a": rng.normal(size=(STEPS, 2, 3)), "b": rng.normal(size=(STEPS, 4))}
    for leaf in steps.values():
        leaf *= SIZES.reshape(STEPS, *[1] * (leaf.ndim - 1)) / np.sqrt(10)
    return jax.tree.map(lambda leaf: leaf.astype(dtype), steps)


def by_step(leaves):
    return [[leaf[t] for leaf in leaves.values()] for t in range(len(leaves["a"]))]


def clipped(steps):
    """Global norm at most 1."""
    sizes = [np.sqrt(sum(np.sum(g**2) for g in step)) for step in steps]
    return [[g / max(s, 1) for g in step] for step, s in zip(steps, sizes, strict=True)]


def adam(steps):
    """(m/(1-0.9^t)) / (√(v/(1-0.999^t)) + 1e-8) with t = 1, 2, …."""
    means = squares = [0.0] * len(steps[0])
    directions = []
    for t, step in enumerate(steps, start=1):
        means = [0.9 * m + 0.1 * g for m, g in zip(means, step, strict=True)]
        squares = [0.999 * v + 0.001 * g**2 for v, g in zip(squares, step, strict=True)]
        directions.append(
            [
                m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
                for m, v in zip(means, squares, strict=True)
            ]
        )
    return directions


def momentum(steps):
    """0.9 f + d."""
    f, result = [0.0] * len(steps[0]), []
    for step in steps:
        f = [0.9 * old + d for old, d in zip(f, step, strict=True)]
        result.append(f)
    return result


BEFORE = {
    "clipping": (optax.clip_by_global_norm(1.0), clipped),
    "adam": (optax.scale_by_adam(), adam),
    "sign": (
        optax.scale_by_sign(),
        lambda steps: [list(map(np.sign, s)) for s in steps],
    ),
    "momentum": (optax.trace(0.9), momentum),
}
before = pytest.mark.parametrize("first", BEFORE)


@pytest.mark.parametrize("scope", ["leaf", "global"])
@before
def test_follows_the_transcriptions_one_after_the_other(first, scope):
    link, transcription = BEFORE[first]
    options = {**OPTIONS, "scope": scope}
    tx = optax.chain(link, scale_by_resilience(**options), optax.trace(0.9))
    with jax.enable_x64(True):
        updates, _ = scan(tx, noise())
    incoming = transcription(by_step(noise()))
    expected = momentum(resilient_gradients(incoming, **options))
    # Round-off of float64 in averages of 10 steps, of numbers of size 10, and in
    # quotients by max|m| of size 0.1.
    chex.assert_trees_all_close(by_step(updates), expected, rtol=0, atol=1e-12)
    # The order matters, so what is averaged is what comes in.
    swapped = transcription(resilient_gradients(by_step(noise()), **options))
    other = momentum(swapped)[-1]
    assert (
        max(np.abs(a - e).max() for a, e in zip(other, expected[-1], strict=True)) > 0.1
    )


@before
def test_never_turns_what_comes_in(first):
    link, _ = BEFORE[first]
    incoming, _ = scan(link, noise(np.float32))
    tx = optax.chain(link, scale_by_resilience(beta=0.8, decay=0.9))
    updates, _ = scan(tx, noise(np.float32))
    bound = 0.9 ** np.arange(STEPS)
    for d, u in zip(jax.tree.leaves(incoming), jax.tree.leaves(updates), strict=True):
        factors = (np.float64(u) / np.float64(d)).reshape(STEPS, -1)
        agreement = np.max(np.abs(factors - 1), axis=1)
        # A few roundings of float32, in the link compiled twice and in the product.
        assert np.all(agreement <= bound + 2e-6)
        assert np.all(factors > 0)
        # Some entry has the largest average, so its scaling is as strong as allowed.
        np.testing.assert_allclose(agreement[1:], bound[1:], atol=2e-6)


@pytest.mark.parametrize(
    "link",
    # Its eps has a unit; without it there is none.
    [optax.scale_by_adam(eps=0.0), optax.scale_by_sign()],
    ids=["adam", "sign"],
)
def test_after_adam_or_a_sign_the_unit_of_gradients_does_not_matter(link):
    tx = optax.chain(link, scale_by_resilience(**OPTIONS))
    gradients = noise(np.float32)
    updates, _ = scan(tx, gradients)
    # A power of two changes no digit.
    other, _ = scan(tx, jax.tree.map(lambda g: g * np.float32(2.0**-12), gradients))
    chex.assert_trees_all_equal(updates, other)


def test_after_a_sign_the_average_says_how_one_sided_it_was():
    tx = optax.chain(optax.scale_by_sign(), scale_by_resilience(beta=0.5, decay=1.0))
    # Always positive; alternating; never anything.
    pattern = np.array([[1.0, 3.0, 0.0], [9.0, -0.1, 0.0]] * 20, np.float32)
    updates, (_, states) = scan(tx, pattern)
    # Of the alternating one m = 1/2 - 1/4 + … = ±1/3, but for 2**-40 after 40 steps.
    np.testing.assert_allclose(states.mu[-1], [1, -1 / 3, 0], rtol=1e-6)
    # In full agreement; against an average of a third of the largest; nothing.
    np.testing.assert_allclose(updates[-1], [2, -(1 - 1 / 3), 0], rtol=1e-6)
    assert np.abs(states.mu).max() <= 1 and np.abs(updates).max() <= 2


def test_a_sign_after_it_undoes_it():
    link = scale_by_resilience(**OPTIONS)
    undone, _ = scan(optax.chain(link, optax.scale_by_sign()), noise(np.float32))
    chex.assert_trees_all_equal(undone, jax.tree.map(np.sign, noise()))


@pytest.mark.parametrize("clip", [True, False])
def test_clipping_keeps_an_outlier_from_holding_the_maximum(clip):
    # Norm 1 at all steps but one, in whose first entry something has gone wrong.
    gradients = np.full((STEPS, 4), 0.5, np.float32)
    gradients[20, 0] = 1e6
    tx = scale_by_resilience(beta=0.9, decay=1.0)
    if clip:
        tx = optax.chain(optax.clip_by_global_norm(1.0), tx)
    updates, _ = scan(tx, gradients)
    agreement = updates[21, 1:] / gradients[21, 1:] - 1
    average = 0.5 * (1 - 0.9**20)
    # Clipped, the outlier is (1, 0, 0, 0), but for 1e-6; plain, it is 1e5 in m.
    expected = 0.9 * average / (0.9 * average + 0.1) if clip else 0.0
    np.testing.assert_allclose(agreement, expected, atol=1e-5)


def test_averages_agree_with_their_past_more_often_than_gradients():
    white = np.random.default_rng(0).normal(size=(STEPS, 1000)).astype(np.float32)
    link = scale_by_resilience(beta=0.9, decay=1.0)
    plain, _ = scan(link, white)
    adams, _ = scan(optax.scale_by_adam(), white)
    scaled, _ = scan(optax.chain(optax.scale_by_adam(), link), white)
    # In the mean of 5e4 entries, each below 1, chance is below 5e-3 (one sigma).
    assert abs(np.mean(plain / white - 1)) < 0.02
    assert np.mean(scaled / adams - 1) > 0.1


@pytest.mark.parametrize("mu_dtype", [None, "bfloat16"])
def test_keeps_the_largest_average_that_it_stored(mu_dtype):
    gradients = noise(np.float32)
    for scope in ("leaf", "global"):
        link = scale_by_resilience(scope=scope, mu_dtype=mu_dtype)
        _, states = scan(link, gradients)
        sizes = [
            np.abs(np.float32(m)).reshape(STEPS, -1).max(axis=1)
            for m in states.mu.values()
        ]
        expected = np.stack(sizes, -1) if scope == "leaf" else np.maximum(*sizes)
        np.testing.assert_array_equal(states.largest, expected)


# Each entry meets another outlier at the last step.
OUTLIERS = np.geomspace(1, 1e30, 31)


def last_factors(dtype, beta, **options):
    """At outliers, a and 1 + b of the average stored before, and |g| / max|m|."""
    gradients = np.random.default_rng(2).normal(size=(STEPS, len(OUTLIERS)))
    gradients[-1] *= OUTLIERS
    gradients = gradients.astype(dtype)
    link = scale_by_resilience(beta, decay=1.0, **options)
    updates, states = scan(link, gradients)
    mean, last = np.float64(states.mu[-2]), np.float64(gradients[-1])
    peak = np.abs(mean).max()
    expected = 1 + np.sign(last) * mean / peak
    return np.float64(updates[-1]) / last, expected, np.abs(last) / peak


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [0.5, 0.9, 0.999])
def test_an_outlier_costs_digits_of_its_own_factor(beta, dtype):
    with jax.enable_x64(True):
        factors, expected, excess = last_factors(dtype, beta)
    # Rounded are the new average, the gradient's share in it, and their difference.
    room = 2 * np.finfo(dtype).eps * (1 + (1 - beta) / beta * excess)
    assert np.all(np.abs(factors - expected) <= np.minimum(room, 1 + 1e-6))


@pytest.mark.parametrize(
    ("beta", "mu_dtype"),
    [(0.0, None), (0.25, None), (jnp.float32(0.9), None), (0.9, "bfloat16")],
    ids=["none", "short", "unknown", "narrow"],
)
def test_other_averages_are_kept_for_the_step(beta, mu_dtype):
    factors, expected, _ = last_factors(np.float32, beta, mu_dtype=mu_dtype)
    np.testing.assert_allclose(factors, expected, rtol=0, atol=4e-7)


def test_an_infinite_gradient_gives_an_infinite_update():
    gradients = np.ones((3, 2), np.float32)
    gradients[-1] = [-np.inf, 1]
    updates, _ = scan(scale_by_resilience(decay=0.5), gradients)
    np.testing.assert_array_equal(updates[-1], [-np.inf, 1.25])
