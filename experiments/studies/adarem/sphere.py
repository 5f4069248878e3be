r"""The sphere learning rate: SGD on a sphere walks through the networks of flat space.

*AdaRem*, section 3.4.1. The weights :math:`w` that batch normalisation follows learn by
SGD with weight decay in flat space; those of a second network, :math:`\hat\theta`, with
the sphere learning rate on a sphere; all other weights learn by SGD with decay in both.
Given the same batches, :math:`w_t / \|w_t\| = \hat\theta_t / R` at every step, so that
losses and predictions are equal, too. The identity asks for weights that are exactly
scale-invariant; what batch normalisation adds to variances, 1e-5 in general, spoils
that. It is tried with 0, and with 1e-5 to see how far the two networks come apart.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from matplotlib.figure import Figure

import optax_sign
from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table
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


QUANTITIES = {
    "direction": "directions, distance on the unit sphere",
    "loss": "loss, relative difference",
    "prediction": "logits, largest difference",
}
ROUND_OFF = 1e-8


def figure(evidence: Evidence) -> Figure:
    """How far the network on the sphere is from the one in flat space."""
    with figures.figure(
        10.0,
        3.6,
        "AdaRem, section 3.4.1: a network on the sphere and in flat space",
        "ResNet-8 on Fashion-MNIST in float64, SGD with weight decay; the line is the "
        "bound of the claim.",
    ) as drawing:
        panels = drawing.subplots(1, len(QUANTITIES))
        for axes, (quantity, label) in zip(panels, QUANTITIES.items(), strict=True):
            for variant in VARIANTS:
                values = np.asarray(evidence.table[f"{variant}/{quantity}"])
                # No difference at all has no place on a log scale.
                axes.plot(np.where(values > 0, values, np.nan), label=variant)
            axes.axhline(ROUND_OFF, color="black", linewidth=0.8)
            axes.set(yscale="log", xlabel="step (mini-batches)", ylim=(1e-17, 1))
            axes.set_title(label, fontsize=10)
        panels[0].legend(handlelength=4, fontsize=8, loc=(0.08, 0.27))
    return drawing


def _largest(table: Table) -> Mapping[str, float]:
    return {
        f"{variant}: {quantity}": np.log10(
            np.max([*table[f"{variant}/{quantity}"], np.finfo(float).tiny])
        )
        for variant in VARIANTS
        for quantity in QUANTITIES
    }


SPHERE = Claim(
    id="ar-slr",
    source="AdaRem, section 3.4.1",
    statement="With the sphere learning rate the network on the sphere is, at every "
    "step, the network that SGD with weight decay reaches in flat space, where batch "
    "normalisation adds nothing to the variances.",
    protocol="ResNet-8 of 8, 16, 32 channels on Fashion-MNIST in float64, batch 32, "
    "120 steps, rate 0.1 falling to 0 as a cosine, weight decay 0.01; nothing added to "
    "the variances of batch normalisation, and 1e-5 beside it; directions of the "
    "weights that it follows, losses relative, logits of the batch; that it holds for "
    "nothing added was put into the statement later, the rule had said so",
    trial=Calculation(
        quantity="log10 of the largest difference of all steps",
        table=table,
        values=_largest,
        digits=1,
    ),
    rule=tuple(
        rules.at_most(
            f"{variant}, {quantity}: at most {ROUND_OFF:g}",
            lambda e, name=f"{variant}/{quantity}": np.max(e.table[name]),
            ROUND_OFF,
        )
        for variant, (added, _, _) in VARIANTS.items()
        if added == 0
        for quantity in QUANTITIES
    ),
    figure=Drawing(name="figure-sphere", draw=figure),
)
