r"""Figure 1 of the AdaRem paper: the paths of single weights through training.

The first epoch of ResNet-8 on Fashion-MNIST, at constant rates that are usual for each
method, without weight decay. Followed are weights of the first convolution of the
second unit, drawn at random; Q is that of all weights over the whole epoch.
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims.claim import Table
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
    sets = [
        jnp.asarray(x)
        for x in (
            dataset.train_inputs,
            dataset.train_labels,
            dataset.test_inputs,
            dataset.test_labels,
        )
    ]
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
        places = _places(seed, _followed(state.params).size)
        points = [_followed(state.params)[places]]
        for step in range(1, steps + 1):
            state, _ = advance(state, key, order, *sets[:2], jnp.int32(step))
            points.append(_followed(state.params)[places])
        measured = jax.jit(learner.evaluate)(state, *sets)
        result[f"{name}/paths"] = np.stack(points, axis=1).tolist()
        result[f"{name}/q"] = float(measured["oscillation"])
        result[f"{name}/unmoved"] = int(measured["unmoved"])
    return result


def _followed(params) -> jax.Array:
    return params["units"][1]["conv_1"]["kernel"].ravel()


def _places(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(size, FOLLOWED, replace=False)
