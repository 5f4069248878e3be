"""One optimizer step on a tree of the size of GPT-2 small: time and state."""

import json
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.bench import clock
from experiments.training import optimizers

STEPS = 15

WORDS = (
    *("momentum", "adam", "adamw", "lion", "signum", "ssd", "mas"),
    *("mas,mu_dtype=bfloat16", "m_sgd", "svag", "m_svag"),
    *("m_svag,variance=mini_batch", "adam_star", "adarem"),
)


def gpt2_small() -> list[jax.Array]:
    """Zeros shaped like the 124,439,808 weights of GPT-2 small, 148 leaves."""
    width, hidden = 768, 3072
    # Attention, its projection, up and down: kernels with their biases.
    layers = [(width, 3 * width), (width, width), (width, hidden), (hidden, width)]
    block = [shape for layer in layers for shape in (layer, layer[1:])]
    norm = [(width,), (width,)]  # two in a block, one at the end
    embeddings = [(50257, width), (1024, width)]
    shapes = [*embeddings, *12 * (2 * norm + block), *norm]
    return [jnp.zeros(shape) for shape in shapes]


def measure(words: list[str]) -> list[dict[str, Any]]:
    """Median milliseconds of a step, and bytes of state a parameter, of each.

    The optimizers hand the one tree of parameters on; their states, 9 GB in all, stay
    side by side.
    """
    params = gpt2_small()
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    grads = jax.tree.map(lambda p: p + 1e-3, params)
    states = {}

    def job(word):
        optimizer = optimizers.parse(word)
        made = optax.with_extra_args_support(optimizers.make(optimizer, total_steps=1))
        extra = {"variance": grads} if optimizers.needs_variance(optimizer) else {}
        states[word] = made.init(params)

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(params, state, grads, extra):
            updates, state = made.update(grads, state, params, **extra)
            return optax.apply_updates(params, updates), state

        def take():
            nonlocal params
            params, states[word] = step(params, states[word], grads, extra)
            return params, states[word]

        return take

    times = clock.seconds(STEPS, *map(job, words))
    sizes = [sum(x.nbytes for x in jax.tree.leaves(states[word])) for word in words]
    return [
        {"name": word, "milliseconds": 1e3 * taken, "bytes_per_parameter": kept / size}
        for word, taken, kept in zip(words, times, sizes, strict=True)
    ]


if __name__ == "__main__":
    for row in measure(sys.argv[1:] or list(WORDS)):
        print(json.dumps(row), flush=True)
