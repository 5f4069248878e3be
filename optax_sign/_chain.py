"""What every optimizer ends with: decoupled weight decay, then the learning rate."""

import numbers
from typing import Any

import optax

from optax_sign._checks import check_rates


def chain_with_decay(
    learning_rate: optax.ScalarOrSchedule,
    weight_decay: optax.ScalarOrSchedule,
    mask: Any,
    *links: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """``links``, then decay (multiplied by the rate), then ``-learning_rate``.

    The updates have the gradient's dtype, whatever those of the parameters, the decay
    and the rate.
    """
    check_rates(learning_rate, weight_decay)
    decay = optax.add_decayed_weights(weight_decay, mask)
    if isinstance(weight_decay, numbers.Real) and weight_decay == 0:
        # optax's decay link asks for the parameters even when there is none.
        decay = optax.identity()
    chain = optax.chain(*links, decay, optax.scale_by_learning_rate(learning_rate))

    def update_fn(updates, state, params=None, **extra_args):
        new, state = chain.update(updates, state, params, **extra_args)
        return optax.tree.cast_like(new, updates), state

    return optax.GradientTransformationExtraArgs(chain.init, update_fn)
