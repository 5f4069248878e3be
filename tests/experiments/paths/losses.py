"""The presets once more, in Python: what the formulas should say."""

import jax.numpy as jnp


def turned(loss):
    return lambda w: loss(jnp.array([0.8 * w[0] + 0.6 * w[1], 0.8 * w[1] - 0.6 * w[0]]))


def quadratic(w):
    return 3 * w[0] ** 2 + 10 * w[1] ** 2


def ravine(w):
    return w[0] ** 2 / 10 + 10 * w[1] ** 2


def noisy(w):
    return w[0] ** 2 / 2 + 5 * w[1] ** 2 / 2


def hill(w):
    top = jnp.exp(-(w @ w) / 4)
    hole = 0.3 * jnp.exp(-5 * (w[0] - 3) ** 2) * jnp.exp(-(w[1] ** 2) / 4)
    away = w - jnp.array([6.0, 0.0])
    return top - hole - jnp.exp(-(away @ away) / 8)


def tutorial_ravine(w):
    return 50 * w[0] ** 2 + w[1] ** 2 / 2


def tutorial_hill(w):
    def bump(place, width):
        away = w - jnp.array([place, 0.0])
        return jnp.exp(-(away @ away) / (2 * width**2))

    return 0.05 * (bump(0, 1.5) - bump(8, 1.5)) - 0.025 * bump(4, 0.7)


def rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def beale(w):
    return sum(
        (c - w[0] * (1 - w[1] ** (i + 1))) ** 2
        for i, c in enumerate((1.5, 2.25, 2.625))
    )


def himmelblau(w):
    return (w[0] ** 2 + w[1] - 11) ** 2 + (w[0] + w[1] ** 2 - 7) ** 2


LOSSES = {
    "quadratic": quadratic,
    "quadratic_rotated": turned(quadratic),
    "ravine": ravine,
    "ravine_rotated": turned(ravine),
    "tutorial_ravine": tutorial_ravine,
    "hill": hill,
    "tutorial_hill": tutorial_hill,
    "rosenbrock": rosenbrock,
    "beale": beale,
    "himmelblau": himmelblau,
    "noisy": noisy,
    "noisy_rotated": turned(noisy),
}
