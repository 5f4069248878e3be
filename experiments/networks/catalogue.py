"""The networks by name.

Each takes a batch of inputs of its `input_shape`, None standing for any length, and
returns logits. Adding one: a Flax NNX module, and its row in `NETWORKS`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from flax import nnx

from experiments.networks import mlp_and_cnns, resnets
from experiments.networks.char_lstm import CharLSTM

# Makes the network for a number of classes.
NETWORKS: dict[str, Callable[[int, nnx.Rngs], Any]] = {
    "mlp": mlp_and_cnns.MLP,
    "mas_cnn": mlp_and_cnns.MasCNN,
    "p1_cnn": mlp_and_cnns.P1CNN,
    "p2_cnn": mlp_and_cnns.P2CNN,
    "wrn_40_4": resnets.WideResNet,
    "char_lstm": CharLSTM,
    "resnet_8_8": partial(resnets.SmallResNet, width=8),
    "resnet_8_16": partial(resnets.SmallResNet, width=16),
}
