"""What every optimizer ends with: decoupled weight decay, then the learning rate."""

import numbers
from typing import Any

import optax

from optax_sign import _moments, _trees
from optax_sign._checks import check_rates, check_selection


def chain_with_decay(
    learning_rate: optax.ScalarOrSchedule,
    weight_decay: optax.ScalarOrSchedule,
    mask: Any,
    *links: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """``links``, then decay (multiplied by the rate), then ``-learning_rate``.

    The updates have the dtype of gradient and parameter, the wider of the two, whatever
    those of the decay and the rate.
    """
    check_rates(learning_rate, weight_decay)
    check_selection("mask", mask)

    def decays(tree):
        return _trees.flags("mask", mask, tree)

    selected = None if mask is None else decays
    decay = optax.add_decayed_weights(weight_decay, selected)
    if isinstance(weight_decay, numbers.Real) and weight_decay == 0:
        # optax's decay link asks for the parameters even when there is none.
        decay = optax.identity()

    def decay_fn(updates, state, params=None):
        # In one dtype, which the strict mode of JAX asks for.
        wide = _moments.map_present(_moments.widen, updates)
        if params is not None:
            params = _moments.map_present(lambda _, p: _moments.widen(p), wide, params)
        return decay.update(wide, state, params)

    decayed = optax.GradientTransformation(decay.init, decay_fn)
    chain = optax.chain(*links, decayed, optax.scale_by_learning_rate(learning_rate))

    def update_fn(updates, state, params=None, **extra_args):
        params = _trees.trained(params, updates)
        new, state = chain.update(updates, state, params, **extra_args)
        return _moments.cast_updates(new, updates, params), state

    return optax.GradientTransformationExtraArgs(chain.init, update_fn)
