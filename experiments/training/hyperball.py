"""AdamW and MaS with all kernels on spheres, as optimizers of whole networks.

`optax_sign.hyperball` is for kernels. Biases and the scales of normalisation layers go
on in flat space, as they do without it, at a rate that is a fixed part of the kernels':
so that there is one rate to choose, as with any other optimizer.
"""

import jax
import optax

import optax_sign

REST = 0.1  # rates of 0.01 turn kernels about as fast as Adam does with 0.001


def adamw_hyperball(
    learning_rate: optax.ScalarOrSchedule,
    rest: float = REST,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-4,
) -> optax.GradientTransformationExtraArgs:
    """Adam's direction for kernels on spheres, AdamW for the other weights.

    Args:
      learning_rate: of the kernels, relative to their norm.
      rest: rate of the other weights over that of the kernels.
      b1: decay of the average.
      b2: decay of the average square.
      eps: added to its root.
      weight_decay: of the other weights; that of kernels has no use.
    """
    return _with_the_rest(
        optax.scale_by_adam(b1, b2, eps),
        optax.adamw(
            _times(rest, learning_rate), b1, b2, eps, weight_decay=weight_decay
        ),
        learning_rate,
    )


def mas_hyperball(
    learning_rate: optax.ScalarOrSchedule, rest: float = REST, beta: float = 0.95
) -> optax.GradientTransformationExtraArgs:
    """The direction of MaS for kernels on spheres, MaS for the other weights.

    Args:
      learning_rate: of the kernels, relative to their norm.
      rest: rate of the other weights over that of the kernels.
      beta: decay of the average.
    """
    direction = optax.chain(optax_sign.mas(1.0, beta), optax.scale(-1.0))
    other = optax_sign.mas(_times(rest, learning_rate), beta)
    return _with_the_rest(direction, other, learning_rate)


def _with_the_rest(
    direction: optax.GradientTransformation,
    other: optax.GradientTransformation,
    learning_rate: optax.ScalarOrSchedule,
) -> optax.GradientTransformationExtraArgs:
    kernels = optax_sign.hyperball(direction, learning_rate)

    def label(params):
        return jax.tree.map(lambda p: "kernel" if p.ndim > 1 else "rest", params)

    return optax.partition({"kernel": kernels, "rest": other}, label)


def _times(factor: float, rate: optax.ScalarOrSchedule) -> optax.ScalarOrSchedule:
    if callable(rate):
        return lambda count: factor * rate(count)
    return factor * rate
