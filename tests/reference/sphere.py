"""Training on a sphere: projection, sphere learning rate (SLR), AdaRem-S, Hyperball."""

import numpy as np

from .arithmetic import ratio
from .descent import Leaves, Schedule, Steps, float64, value_at
from .resilience import adarem, resilient_gradients


def norm(leaves: Leaves) -> float:
    """‖θ‖ over all entries of all leaves."""
    return float(np.sqrt(sum(np.sum(leaf**2) for leaf in leaves)))


def spheres(count: int, scope: str) -> list[list[int]]:
    """Which leaves share a sphere: all of them ("global"), or each its own ("leaf")."""
    if scope == "global":
        return [list(range(count))]
    if scope == "leaf":
        return [[k] for k in range(count)]
    raise ValueError(f"scope is {scope!r}, not global or leaf.")


def onto_sphere(leaves: Leaves, radius: float) -> Leaves:
    """Θ̂ = R θ/‖θ‖; the origin, which has no direction, stays."""
    length = norm(leaves)
    return [ratio(radius * leaf, length) for leaf in leaves]


def project_to_sphere(
    parameters: Leaves,
    updates: Steps,
    *,
    radius: float | None = None,
    scope: str = "global",
) -> Steps:
    """Δθ_t = R (θ̂_t + u_t)/‖θ̂_t + u_t‖ - θ_t for given updates u_t, θ̂_0 = R θ_0/‖θ_0‖.

    R is the initial norm unless it is given; then Δθ_0 includes the way to the sphere.
    """
    theta = float64(parameters)
    result = [[np.empty(0)] * len(theta) for _ in updates]
    for members in spheres(len(theta), scope):
        position = [theta[k] for k in members]
        size = norm(position) if radius is None else radius
        point = onto_sphere(position, size)
        for t, step in enumerate(updates):
            moved = [p + step[k] for p, k in zip(point, members, strict=True)]
            point = onto_sphere(moved, size)
            for k, before, after in zip(members, position, point, strict=True):
                result[t][k] = np.asarray(after - before)
            position = point
    return result


def scale_by_sphere_learning_rate(
    parameters: Leaves,
    directions: Steps,
    *,
    learning_rate: Schedule,
    weight_decay: Schedule = 0.0,
    radius: float | None = None,
    scope: str = "global",
) -> Steps:
    """-η̂_t d_t for given directions d_t: the updates that a projection has to follow.

    η̂_t = η_t / (α_t² (1-η_t λ)),  α_0 = ‖θ_0‖/R,
    α_{t+1} = α_t (1-η_t λ) ‖θ̂_t - η̂_t d_t‖ / R.
    Needs η_t λ < 1. Leaves that start at the origin have no direction: η̂ = 0.
    """
    theta = float64(parameters)
    result = [[np.empty(0)] * len(theta) for _ in directions]
    for members in spheres(len(theta), scope):
        start = [theta[k] for k in members]
        size = norm(start) if radius is None else radius
        point = onto_sphere(start, size)
        alpha = float(ratio(norm(start), size))
        for t, direction in enumerate(directions):
            eta = value_at(learning_rate, t)
            shrink = 1 - eta * value_at(weight_decay, t)
            sphere_rate = eta / (alpha**2 * shrink) if alpha > 0 else 0.0
            moved = []
            for p, k in zip(point, members, strict=True):
                result[t][k] = np.asarray(-sphere_rate * float64([direction[k]])[0])
                moved.append(p + result[t][k])
            alpha *= shrink * float(ratio(norm(moved), size))
            point = onto_sphere(moved, size)
    return result


def sphere_sgd(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule,
    weight_decay: Schedule = 0.0,
    radius: float | None = None,
    scope: str = "global",
) -> Steps:
    """θ̂_{t+1} = R (θ̂_t - η̂_t g_t)/‖θ̂_t - η̂_t g_t‖: SLR, then the projection."""
    updates = scale_by_sphere_learning_rate(
        parameters,
        gradients,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        radius=radius,
        scope=scope,
    )
    return project_to_sphere(parameters, updates, radius=radius, scope=scope)


def adarem_s(
    parameters: Leaves,
    gradients: Steps,
    *,
    scale_invariant: list[bool],
    learning_rate: Schedule,
    beta: float = 0.9,
    decay: float = 0.999,
    decay_every: int = 1,
    scope: str = "leaf",
    eps: float = 0.0,
    weight_decay: Schedule = 0.0,
    radius: float | None = None,
    sphere_scope: str = "global",
) -> Steps:
    """Scale-invariant leaves: SLR and projection of d_t = a_t ⊙ g_t; others: AdaRem.

    Each of the two groups takes its own max|m_t| where scope="global".
    """
    on_sphere = [k for k, inside in enumerate(scale_invariant) if inside]
    elsewhere = [k for k, inside in enumerate(scale_invariant) if not inside]
    resilience = {
        "beta": beta,
        "decay": decay,
        "decay_every": decay_every,
        "scope": scope,
        "eps": eps,
    }
    rates = {"learning_rate": learning_rate, "weight_decay": weight_decay}
    spherical = sphere_sgd(
        [parameters[k] for k in on_sphere],
        resilient_gradients(
            [[step[k] for k in on_sphere] for step in gradients], **resilience
        ),
        radius=radius,
        scope=sphere_scope,
        **rates,
    )
    flat = adarem(
        [parameters[k] for k in elsewhere],
        [[step[k] for k in elsewhere] for step in gradients],
        **resilience,
        **rates,
    )
    result = []
    for inner, outer in zip(spherical, flat, strict=True):
        update = dict(zip(on_sphere, inner, strict=True))
        update |= dict(zip(elsewhere, outer, strict=True))
        result.append([update[k] for k in range(len(parameters))])
    return result


def hyperball(
    parameters: Leaves, directions: Steps, *, learning_rate: Schedule
) -> Steps:
    """θ_{t+1} = R (θ_t + u_t)/‖θ_t + u_t‖ leaf by leaf, for given directions d_t.

    u_t = -η_t R d_t/‖d_t‖ with R = ‖θ_0‖, and u_t = 0 where d_t = 0.
    """
    radii = [norm([leaf]) for leaf in float64(parameters)]
    steps = []
    for t, direction in enumerate(directions):
        eta = value_at(learning_rate, t)
        leaves = zip(radii, float64(direction), strict=True)
        steps.append([-eta * radius * ratio(d, norm([d])) for radius, d in leaves])
    return project_to_sphere(parameters, steps, scope="leaf")
