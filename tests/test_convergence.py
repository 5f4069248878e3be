"""Every optimizer goes down to where the minimum is known to be, at a stated rate."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

STEPS = 4000
MIXED = [(), (2, 1, 3)]


def draw(seed, *shape):
    """Random numbers of norm 2: AdaRem-S leaves matrices at the norm they have."""
    values = np.random.default_rng(seed).normal(size=shape)
    return jnp.asarray(2 * values / np.linalg.norm(values), jnp.float32)


def parabola(x):
    """Condition number 100."""
    return jnp.array([50.0, 5.0, 0.5]) @ (x - jnp.array([1.0, -2.0, 3.0])) ** 2


def rosenbrock(x):
    """A curved valley, 2500 times as steep across as along."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def matrix_parabola(x):
    """With curvature that no axis is aligned with."""
    mixing = draw(1, 4, 4) + 2 * jnp.eye(4)
    return jnp.sum((mixing @ (x - draw(2, 4, 3))) ** 2)


def mixed(leaves):
    """A scalar and a block that pull at one another."""
    errors = [leaf - draw(k, *leaf.shape) for k, leaf in enumerate(leaves)]
    joint = sum(jnp.sum(error) for error in errors)
    return sum(jnp.sum(error**2) for error in errors) + joint**2


# The loss, the start, and below what it must come; the comment has its value at the
# start and that of the slowest optimizer at the end.
PROBLEMS = {
    "parabola": (parabola, jnp.zeros(3), 1e-3),  # 74, 8e-5
    "rosenbrock": (rosenbrock, jnp.array([-1.0, 1.0]), 0.05),  # 4, 0.025
    "matrix": (matrix_parabola, draw(3, 4, 3), 1e-6),  # 51, 5e-10
    "mixed": (mixed, [draw(7, *MIXED[0]), draw(8, *MIXED[1])], 1e-6),  # 46, 9e-9
}


def losses(params):
    return {name: loss(params[name]) for name, (loss, _, _) in PROBLEMS.items()}


def test_reaches_the_minimum(optimizer):
    # A gradient moves a weight by its size, a sign by the rate itself.
    rate = 0.006 if optimizer.takes_sign else 0.003
    tx = optax.with_extra_args_support(
        optimizer.make(learning_rate=optax.linear_schedule(rate, 0, STEPS))
    )
    gradient = jax.grad(lambda params: sum(losses(params).values()))

    def step(carry, _):
        params, state = carry
        g = gradient(params)
        noise = jax.tree.map(lambda x: 0.1 * x**2, g)
        updates, state = tx.update(g, state, params, variance=noise)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def train(params):
        carry = (params, tx.init(params))
        (params, _), _ = jax.lax.scan(step, carry, length=STEPS)
        return losses(params)

    final = train({name: start for name, (_, start, _) in PROBLEMS.items()})
    for name, (_, _, bound) in PROBLEMS.items():
        assert final[name] < bound, name
