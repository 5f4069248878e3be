"""One optimizer step on a tree of the size of GPT-2 small: time and state."""

import functools
import json
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

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

    The optimizers take their steps in turn, in another order each time, as the memory
    that one gives back slows the next; so all see the machine alike. They hand the one
    tree of parameters on; their states, 9 GB in all, stay side by side.
    """
    params = gpt2_small()
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    grads = jax.tree.map(lambda p: p + 1e-3, params)
    steps, states, times = {}, {}, {word: [] for word in words}
    for word in words:
        optimizer = optimizers.parse(word)
        made = optax.with_extra_args_support(optimizers.make(optimizer, total_steps=1))
        extra = {"variance": grads} if optimizers.needs_variance(optimizer) else {}
        states[word] = made.init(params)

        def step(params, state, grads, extra, made=made):
            updates, state = made.update(grads, state, params, **extra)
            return optax.apply_updates(params, updates), state

        compiled = jax.jit(step, donate_argnums=(0, 1))
        steps[word] = functools.partial(compiled, grads=grads, extra=extra)
    rng = np.random.default_rng(0)
    for _ in range(STEPS + 1):
        for word in rng.permutation(words).tolist():
            begin = time.perf_counter()
            params, states[word] = steps[word](params, states[word])
            jax.block_until_ready((params, states[word]))
            times[word].append(time.perf_counter() - begin)
    return [
        {
            "name": word,
            "milliseconds": 1e3 * float(np.median(times[word][1:])),  # compiled by then
            "bytes_per_parameter": sum(x.nbytes for x in jax.tree.leaves(states[word]))
            / size,
        }
        for word in words
    ]


if __name__ == "__main__":
    for row in measure(sys.argv[1:] or list(WORDS)):
        print(json.dumps(row), flush=True)
