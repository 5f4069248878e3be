"""Sixty generic steps of this library and of the transcriptions, side by side."""

import jax
import numpy as np
import optax

from .catalogue import RATE, RESILIENCE, WRAPPED
from .reference import (
    moments,
    oscillation,
    resilience,
    rounding,
    sign_family,
    sphere,
    variance_adaptation,
)

STEPS = 60
EVERY_RANK = range(5)
TWO_RANKS = (0, 3)  # where compiling would take too long
SHAPES = [(), (3,), (2, 3), (2, 1, 3), (1, 2, 2, 2)]
SIZE = sum(int(np.prod(shape)) for shape in SHAPES)
BETAS = (0.5, 0.9, 0.95)
# Gradients and their averages stay at least this far from 0, where a sign would turn
# the last bit into a full step.
CLEAR = 0.05


def split(flat, ranks):
    """Cut (..., SIZE) into leaves of these ranks behind the leading axes."""
    cuts = np.cumsum([int(np.prod(shape)) for shape in SHAPES])[:-1]
    parts = np.split(flat, cuts, axis=-1)
    return [parts[rank].reshape((*flat.shape[:-1], *SHAPES[rank])) for rank in ranks]


def make_gradients():
    """Random ones, drawn again until no gradient or average is near 0."""
    rng = np.random.default_rng(0)
    averages = {beta: np.zeros(SIZE) for beta in BETAS}
    steps = []
    for t in range(STEPS):
        g, near = np.empty(SIZE), np.ones(SIZE, bool)
        while near.any():
            g[near] = rng.normal(scale=1.5, size=near.sum())
            near = np.abs(g) < CLEAR
            for beta, average in averages.items():
                corrected = (beta * average + (1 - beta) * g) / (1 - beta ** (t + 1))
                near |= np.abs(corrected) < CLEAR
        averages = {b: b * m + (1 - b) * g for b, m in averages.items()}
        steps.append(g)
    return np.stack(steps)


GRADIENTS = make_gradients()
VARIANCES = np.random.default_rng(2).gamma(2.0, size=GRADIENTS.shape)
# One parameter sleeps: all its 0/0 must come out as 0.
GRADIENTS[:, 10] = VARIANCES[:, 10] = 0.0


def make_start(ranks, radius, members):
    """Random parameters; where a radius is given, on the sphere already."""
    leaves = split(np.random.default_rng(1).normal(size=SIZE), ranks)
    if radius is None:
        return leaves
    size = radius / np.sqrt(members)
    return [np.asarray(leaf * (size / np.linalg.norm(leaf))) for leaf in leaves]


def directed_factors(start, gradients, *, direction=None, **options):
    """The link around a direction: γ_t times d(m_t), or d(g_t) without momentum."""
    del start
    gammas = variance_adaptation.factors(gradients, **options)
    momentum = options.get("momentum", True)
    bases = moments.first_moment(gradients, options["beta"]) if momentum else gradients
    turn = np.asarray if direction is None else np.sign
    return [
        [gamma * turn(base) for gamma, base in zip(step, base_step, strict=True)]
        for step, base_step in zip(gammas, bases, strict=True)
    ]


def around_resilience(start, gradients, *, inner, **options):
    """Hyperball around the `inner` of its row in the catalogue."""
    del inner
    directions = resilience.resilient_gradients(gradients, **RESILIENCE)
    return sphere.hyperball(start, directions, **options)


def around_mas(start, gradients, *, optimizer):
    """A master copy for the `optimizer` of its row."""
    del optimizer
    updates = sign_family.mas(start, gradients, **WRAPPED)
    return rounding.keep_master_copy(start, updates)


def around_ssd(start, gradients, *, optimizer):
    """The `optimizer` of its row, but for zero gradients."""
    del optimizer
    updates = sign_family.ssd(start, gradients, **RATE)
    return rounding.skip_zero_gradients(updates, gradients)


# The updates of a link whose transcription gives something a little different.
UPDATES_OF_LINKS = {
    variance_adaptation.factors: directed_factors,
    resilience.resilient_gradients: lambda start, gradients, **options: (
        resilience.resilient_gradients(gradients, **options)
    ),
    sphere.hyperball: around_resilience,
    rounding.keep_master_copy: around_mas,
    rounding.skip_zero_gradients: around_ssd,
    oscillation.path_length: lambda start, gradients: gradients,
}


def by_step(leaves):
    return [[leaf[t] for leaf in leaves] for t in range(STEPS)]


def stack(steps):
    return [np.stack(leaf) for leaf in zip(*steps, strict=True)]


def transcribe(reference, options, dtype, ranks):
    """Expected updates, and the positions at which each of them is asked for."""
    options = dict(options)
    gradients, variances = (
        by_step([leaf.astype(dtype) for leaf in split(x, ranks)])
        for x in (GRADIENTS, VARIANCES)
    )
    one_sphere = options.get("sphere_scope", options.get("scope")) != "leaf"
    start = make_start(ranks, options.get("radius"), len(ranks) if one_sphere else 1)
    if options.get("variance") == "mini_batch":
        options["variances"] = variances
    if "scale_invariant" in options:
        options["scale_invariant"] = options["scale_invariant"](start)
    updates = UPDATES_OF_LINKS.get(reference, reference)(start, gradients, **options)
    moves = updates
    if reference is sphere.scale_by_sphere_learning_rate:
        limits = {k: v for k, v in options.items() if k in ("radius", "scope")}
        moves = sphere.project_to_sphere(start, updates, **limits)
    positions = [start]
    for step in moves[:-1]:
        positions.append([p + u for p, u in zip(positions[-1], step, strict=True)])
    return stack(updates), stack(positions)


def run(optimizers, positions, dtype, ranks):
    """All updates of each optimizer, each at the positions given for it."""

    def step(states, inputs):
        places, g, v = inputs
        updates = {}
        for name, tx in optimizers.items():
            updates[name], states[name] = tx.update(
                g, states[name], places[name], variance=v
            )
        return states, updates

    def narrow(leaves):
        return [leaf.astype(dtype) for leaf in leaves]

    places = {name: narrow(leaves) for name, leaves in positions.items()}
    states = {
        name: tx.init([leaf[0] for leaf in places[name]])
        for name, tx in optimizers.items()
    }
    inputs = (places, *(narrow(split(x, ranks)) for x in (GRADIENTS, VARIANCES)))
    return jax.jit(lambda *args: jax.lax.scan(step, *args)[1])(states, inputs)


def check(cases, dtype, bound, *, ranks=EVERY_RANK, moves_positions=True):
    """Compare {name: (factory, reference, options)} to the relative ``bound``.

    Where the parameters enter by a projection or by weight decay, an update is a
    difference of things of their size; then they count in what it is relative to.
    """
    expected, positions, optimizers = {}, {}, {}
    for name, (factory, reference, options) in cases.items():
        expected[name], positions[name] = transcribe(reference, options, dtype, ranks)
        optimizers[name] = optax.with_extra_args_support(factory(**options))
    actual = run(optimizers, positions, dtype, ranks)
    for name in cases:
        for a, e, p in zip(actual[name], expected[name], positions[name], strict=True):
            assert a.dtype == dtype and a.shape == e.shape
            scale = np.abs(e) + (np.abs(p).max(axis=0) if moves_positions else 0)
            error = np.abs(a - e) / np.where(scale > 0, scale, 1)
            assert np.max(error) <= bound, name
