r"""The sphere learning rate: SGD on a sphere walks through the networks of flat space.

*AdaRem*, section 3.4.1. The weights :math:`w` that batch normalisation follows learn by
SGD with weight decay in flat space; those of a second network, :math:`\hat\theta`, with
the sphere learning rate on a sphere; all other weights learn by SGD with decay in both.
Given the same batches, :math:`w_t / \|w_t\| = \hat\theta_t / R` at every step, so that
losses and predictions are equal, too. The identity asks for weights that are exactly
scale-invariant; what batch normalisation adds to variances, 1e-5 in general, spoils
that. It is tried with 0, and with 1e-5 to see how far the two networks come apart.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import optax_sign
from experiments.claims.claim import Table
from experiments.data import datasets
from experiments.networks.resnets import SmallResNet

STEPS = 120
BATCH = 32
RATE = 0.1  # at the start of a cosine
DECAY = 0.01  # as large as weight decay gets: over the steps it takes a twentieth off
WIDTH = 8

PyTree = Any
Values = jax.Array | np.ndarray


class Variant(NamedTuple):
    """A way to walk on a sphere, and what is added to the variances."""

    epsilon: float
    radius: float | None
    scope: str


VARIANTS = {
    "one sphere": Variant(0.0, None, "global"),
    "a sphere of radius 1 each": Variant(0.0, 1.0, "leaf"),
    "one sphere, 1e-5 in the variances": Variant(1e-5, None, "global"),
}


class Difference(NamedTuple):
    """Between the two networks at one step."""

    direction: Values  # largest of ‖w/‖w‖ - θ/‖θ‖‖ over the spheres
    loss: Values  # relative
    prediction: Values  # largest difference of two logits of the batch
    shrinkage: Values  # norm in flat space over that at the start


def table(seed: int = 0, steps: int = STEPS) -> Table:
    """The differences at every step of all `VARIANTS`.

    Args:
      seed: of the first weights.
      steps: number of batches, in the order of the training set.

    Returns:
      "variant/quantity", a list over the steps, for the quantities of `Difference`.
    """
    source = datasets.load("fashion_mnist")
    images = source.train_inputs[: steps * BATCH] / np.float64(255)
    images = images.reshape(steps, BATCH, *images.shape[1:])
    labels = source.train_labels[: steps * BATCH].reshape(steps, BATCH)
    result: dict[str, list[float]] = {}
    for name, variant in VARIANTS.items():
        network = SmallResNet(
            source.num_classes, nnx.Rngs(seed), WIDTH, variant.epsilon
        )
        differences = compare(network, images, labels, variant)
        for quantity, values in differences._asdict().items():
            result[f"{name}/{quantity}"] = values.tolist()
    return result


def compare(
    network: nnx.Module, images: np.ndarray, labels: np.ndarray, variant: Variant
) -> Difference:
    """Trains a network in flat space and on the sphere, and compares them.

    Args:
      network: with float32 weights, which are taken as float64.
      images: float64 [steps, batch, …].
      labels: integers [steps, batch].
      variant: the sphere; the network has its `epsilon` already.

    Returns:
      The differences before each step, every field of shape [steps].
    """
    graph, *variables = nnx.split(network, nnx.Param, ...)
    schedule = optax.cosine_decay_schedule(RATE, len(images))
    flat = optax.chain(optax.add_decayed_weights(DECAY), optax.sgd(schedule))
    _, radius, scope = variant
    sphere = optax.chain(
        optax_sign.scale_by_sphere_learning_rate(schedule, DECAY, radius, scope),
        optax_sign.project_to_sphere(radius, scope),
    )
    with jax.enable_x64(True):
        params, other = jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float64), nnx.as_pure(variables)
        )
        batches = jnp.asarray(images), jnp.asarray(labels)

        def loss(params: PyTree, batch: tuple) -> tuple[jax.Array, jax.Array]:
            images, labels = batch
            logits = nnx.merge(graph, params, other, copy=True)(images)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), logits

        first = jax.tree.map(lambda x: x[0], batches)
        on_sphere = optax_sign.scale_invariant_mask(lambda p: loss(p, first)[0], params)
        # Every convolution, or what is missing would be trained alike in both.
        assert on_sphere == jax.tree.map(lambda p: p.ndim == 4, params)
        labelled = jax.tree.map(lambda s: "sphere" if s else "flat", on_sphere)
        mixed = optax.partition({"sphere": sphere, "flat": flat}, labelled)

        def chosen(params: PyTree) -> list[jax.Array]:
            """What lies on each sphere, as a vector."""
            selected, leaves = jax.tree.leaves(on_sphere), jax.tree.leaves(params)
            kept = [x.ravel() for x, s in zip(leaves, selected, strict=True) if s]
            return kept if scope == "leaf" else [jnp.concatenate(kept)]

        start = jnp.sqrt(sum(jnp.sum(x**2) for x in chosen(params)))

        def step(states: tuple, batch: tuple) -> tuple[tuple, Difference]:
            moved, measured = [], []
            for optimizer, (params, state) in zip((flat, mixed), states, strict=True):
                (value, logits), gradient = jax.value_and_grad(loss, has_aux=True)(
                    params, batch
                )
                updates, state = optimizer.update(gradient, state, params)
                moved.append((optax.apply_updates(params, updates), state))
                measured.append((chosen(params), value, logits))
            (w, f, y), (v, g, z) = measured
            units = [[x / jnp.linalg.norm(x) for x in xs] for xs in (w, v)]
            gaps = [jnp.linalg.norm(a - b) for a, b in zip(*units, strict=True)]
            return tuple(moved), Difference(
                direction=jnp.max(jnp.stack(gaps)),
                loss=jnp.abs(f - g) / f,
                prediction=jnp.max(jnp.abs(y - z)),
                shrinkage=jnp.sqrt(sum(jnp.sum(x**2) for x in w)) / start,
            )

        states = (params, flat.init(params)), (params, mixed.init(params))
        run = jax.jit(lambda s: jax.lax.scan(step, s, batches)[1])
        return jax.device_get(run(states))
