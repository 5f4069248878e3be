"""One optimizer step on a tree of the size of GPT-2 small: time and state."""

import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import optax_sign

STEPS = 15

OPTIMIZERS: dict[str, Callable[[], optax.GradientTransformation]] = {
    "sgd": lambda: optax.sgd(1e-3, momentum=0.9),
    "adam": lambda: optax.adam(1e-3),
    "adamw": lambda: optax.adamw(1e-3),
    "lion": lambda: optax.lion(1e-4),
    "signum": lambda: optax.signum(1e-4, beta=0.95),
    "ssd": lambda: optax_sign.ssd(1e-4),
    "mas": optax_sign.mas,
    "mas bfloat16": lambda: optax_sign.mas(mu_dtype="bfloat16"),
    "m_sgd": lambda: optax_sign.m_sgd(1e-1),
    "svag": lambda: optax_sign.svag(1e-1),
    "m_svag": lambda: optax_sign.m_svag(1e-1),
    "m_svag mini-batch": lambda: optax_sign.m_svag(1e-1, variance="mini_batch"),
    "adam_star": lambda: optax_sign.adam_star(1e-3),
    "adarem": lambda: optax_sign.adarem(1e-1),
}


def gpt2_small() -> dict[str, Any]:
    """Zeros shaped like the 124,439,808 weights of GPT-2 small, 148 leaves."""
    width, hidden = 768, 3072

    def linear(rows: int, columns: int) -> dict[str, Any]:
        return {"kernel": jnp.zeros((rows, columns)), "bias": jnp.zeros(columns)}

    def norm() -> dict[str, Any]:
        return {"scale": jnp.zeros(width), "bias": jnp.zeros(width)}

    def block() -> dict[str, Any]:
        return {
            "norm_1": norm(),
            "attention": linear(width, 3 * width),
            "projection": linear(width, width),
            "norm_2": norm(),
            "up": linear(width, hidden),
            "down": linear(hidden, width),
        }

    return {
        "tokens": jnp.zeros((50257, width)),
        "positions": jnp.zeros((1024, width)),
        "blocks": [block() for _ in range(12)],
        "norm": norm(),
    }


def measure(names: list[str]) -> list[dict[str, Any]]:
    """Median milliseconds of a step, and bytes of state a parameter, of each.

    The optimizers take their steps in turn, in another order each time, as the memory
    that one gives back slows the next; so all see the machine alike. They hand the one
    tree of parameters on; their states, 9 GB in all, stay side by side.
    """
    params = gpt2_small()
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    grads = jax.tree.map(lambda p: p + 1e-3, params)
    steps, states, times = {}, {}, {name: [] for name in names}
    for name in names:
        tx = optax.with_extra_args_support(OPTIMIZERS[name]())
        extra = {"variance": grads} if "mini-batch" in name else {}
        states[name] = tx.init(params)

        def step(params, state, grads, extra, tx=tx):
            updates, state = tx.update(grads, state, params, **extra)
            return optax.apply_updates(params, updates), state

        compiled = jax.jit(step, donate_argnums=(0, 1))
        steps[name] = functools.partial(compiled, grads=grads, extra=extra)
    rng = np.random.default_rng(0)
    for _ in range(STEPS + 1):
        for name in rng.permutation(names).tolist():
            begin = time.perf_counter()
            params, states[name] = steps[name](params, states[name])
            jax.block_until_ready((params, states[name]))
            times[name].append(time.perf_counter() - begin)
    return [
        {
            "name": name,
            "milliseconds": 1e3 * float(np.median(times[name][1:])),  # compiled by then
            "bytes_per_parameter": sum(x.nbytes for x in jax.tree.leaves(states[name]))
            / size,
        }
        for name in names
    ]


if __name__ == "__main__":
    for row in measure(sys.argv[1:] or list(OPTIMIZERS)):
        print(json.dumps(row), flush=True)
