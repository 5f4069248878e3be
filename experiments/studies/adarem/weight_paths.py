r"""Figure 1 of the AdaRem paper: the paths of single weights through training.

The first epoch of ResNet-8 on Fashion-MNIST, at constant rates that are usual for each
method, without weight decay. Followed are weights of the first convolution of the
second unit, drawn at random; Q is that of all weights over the whole epoch.
"""

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table
from experiments.data import datasets
from experiments.runs.config import Optimizer, Run
from experiments.training.learner import Learner

STEPS = 468  # an epoch
FOLLOWED = 4
PER_EPOCH = ("decay_every", STEPS)

METHODS = {
    "SGD": Optimizer(name="sgd", learning_rate=0.3),
    "SGDM": Optimizer(name="momentum", learning_rate=0.1),
    "Adam": Optimizer(name="adam", learning_rate=0.01),
    "AdaRem": Optimizer(name="adarem", learning_rate=0.3, options=(PER_EPOCH,)),
    "AdaRem, global": Optimizer(
        name="adarem", learning_rate=0.3, options=(PER_EPOCH, ("scope", "global"))
    ),
}


def table(seed: int = 0, steps: int = STEPS, model: str = "resnet_8_8") -> Table:
    """The paths, and how much all weights oscillated.

    Args:
      seed: of the first weights and of the order of the examples.
      steps: length of the paths.
      model: the network.

    Returns:
      By method: "/paths", the values of the weights that are followed, before the first
      step and after each: `FOLLOWED` lists; "/q", the oscillation index of all weights;
      "/unmoved", how many of them were where they had begun.
    """
    dataset = datasets.load("fashion_mnist")
    training = jnp.asarray(dataset.train_inputs), jnp.asarray(dataset.train_labels)
    test = jnp.asarray(dataset.test_inputs), jnp.asarray(dataset.test_labels)
    key, result = jax.random.key(seed), {}
    for name, optimizer in METHODS.items():
        run = Run(
            model=model,
            optimizer=optimizer,
            batch_size=128,
            steps=steps,
            track_oscillation=True,
            eval_every=steps,
            seed=seed,
        )
        learner = Learner(run, dataset)
        advance = jax.jit(learner.advance)
        state, order = learner.start(key), learner.order(key, jnp.int32(0))
        size = _weights(state.params).size
        followed = np.random.default_rng(seed).choice(size, FOLLOWED, replace=False)
        points = [_weights(state.params)[followed]]
        for step in range(1, steps + 1):
            state, _ = advance(state, key, order, *training, jnp.int32(step))
            points.append(_weights(state.params)[followed])
        measured = jax.jit(learner.evaluate)(state, *training, *test)
        result[f"{name}/paths"] = np.stack(points, axis=1).tolist()
        result[f"{name}/q"] = float(measured["oscillation"])
        result[f"{name}/unmoved"] = int(measured["unmoved"])
    return result


def _weights(params) -> jax.Array:
    return params["units"][1]["conv_1"]["kernel"].ravel()


def figure(evidence: Evidence) -> Figure:
    """The paths of single weights, a panel a method."""
    table = evidence.table
    methods = [name.removesuffix("/paths") for name in table if name.endswith("/paths")]
    with figures.figure(
        2.6 * len(methods),
        3.4,
        "AdaRem, Figure 1: four weights through the first epoch",
        "ResNet-8 on Fashion-MNIST, batch 128, constant rates; Q is that of all "
        "weights over the epoch.",
    ) as drawing:
        panels = drawing.subplots(1, len(methods), sharey=True)
        for axes, method in zip(panels, methods, strict=True):
            paths = np.transpose(table[f"{method}/paths"])
            axes.plot(paths - paths[0], linewidth=1.0)
            axes.set(xlabel="step (mini-batches)", xlim=(0, len(paths) - 1))
            axes.set_title(f"{method}: Q = {table[f'{method}/q']:.1f}", fontsize=10)
        panels[0].set_ylabel("weight, less its first value")
    return drawing


PATHS = Claim(
    id="ar-1",
    source="AdaRem, Figures 1 and 2",
    statement="Single weights oscillate severely under SGD and still do under SGD with "
    "momentum; less under AdaRem.",
    protocol="ResNet-8 of 8, 16, 32 channels on Fashion-MNIST, batch 128, the first "
    "epoch at constant rates of 0.3 (SGD, AdaRem), 0.1 (SGDM) and 0.01 (Adam), no "
    "decay, λ not fading yet, one seed; severe is a path of more than twice the way "
    "gained, which turned out to be that of every method",
    trial=Calculation(
        quantity="Q of all weights over the epoch",
        table=table,
        values=lambda t: {name: t[f"{name}/q"] for name in METHODS},
        digits=1,
    ),
    rule=(
        *(
            rules.at_least(
                f"{name}: above 2", lambda e, name=name: e.values[name].mean, 2.0
            )
            for name in ("SGD", "SGDM")
        ),
        rules.at_most(
            "AdaRem less SGDM: below 0",
            lambda e: e.values["AdaRem"].mean - e.values["SGDM"].mean,
            0.0,
        ),
    ),
    figure=Drawing(name="figure-1", draw=figure),
)
