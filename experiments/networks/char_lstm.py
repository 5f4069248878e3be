"""The character-level language model of Dissecting Adam."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

UNITS = 128
DROPOUT = 0.2


class Carry(nnx.Variable):
    """State of a recurrent layer after its last batch, [streams, units].

    A network with such variables reads as many streams side by side: example i of a
    batch goes on where example i of the batch before it ended.
    """


class CharLSTM(nnx.Module):
    """Two LSTM layers of 128 units, problem 4 of Dissecting Adam.

    284,242 weights for 82 characters. The paper says no more than this, "drop-out", and
    that its code was adapted from char-rnn-tensorflow. The rest is that of the network
    `tolstoi_char_rnn` in DeepOBS, the benchmark suite by the paper's authors: an
    embedding of 128 dimensions; dropout of 0.2 on inputs and outputs of both layers,
    drawn for every character; a state that goes on from batch to batch; and the initial
    values of its TensorFlow: Glorot-uniform weights, a layer's input and recurrent ones
    taken as one matrix, and a bias of one in the forget gate. Two guesses: the biases
    of the last layer start at zero, and gradients are not clipped. char-rnn-tensorflow
    clips them, DeepOBS does not, and the paper says nothing.
    """

    input_shape = (None,)  # any number of characters

    def __init__(self, num_classes: int, rngs: nnx.Rngs, streams: int = 50):
        glorot = nnx.initializers.glorot_uniform()
        self.embedding = nnx.Embed(num_classes, UNITS, embedding_init=glorot, rngs=rngs)
        self.layers = nnx.List(_Layer(streams, rngs) for _ in range(2))
        self.output = nnx.Linear(UNITS, num_classes, kernel_init=glorot, rngs=rngs)

    def __call__(self, characters: jax.Array) -> jax.Array:
        """Goes on reading its streams, and keeps the state after their last character.

        Takes integers [streams, length] and returns the logits of the characters that
        follow, [streams, length, num_classes].
        """
        x = self.embedding(characters.astype(jnp.int32))
        for layer in self.layers:
            x = layer(x)
        return self.output(x)


class _Layer(nnx.Module):
    """An LSTM between two dropouts, with its state."""

    def __init__(self, streams: int, rngs: nnx.Rngs):
        uniform = partial(_uniform, limit=math.sqrt(6 / (2 * UNITS + 4 * UNITS)))
        cell = nnx.OptimizedLSTMCell(
            UNITS,
            UNITS,
            kernel_init=uniform,
            recurrent_kernel_init=uniform,
            bias_init=_forget_later,
            rngs=rngs,
        )
        # Time goes to multiplications, all the same size: neither unrolling the loop
        # nor taking the inputs' part out of it made a step faster on a CPU.
        self.recurrence = nnx.RNN(cell, return_carry=True)
        self.drop_inputs = nnx.Dropout(DROPOUT, rngs=rngs)
        self.drop_outputs = nnx.Dropout(DROPOUT, rngs=rngs)
        self.cell = Carry(jnp.zeros((streams, UNITS)))
        self.hidden = Carry(jnp.zeros((streams, UNITS)))

    def __call__(self, x: jax.Array) -> jax.Array:
        carry = (self.cell[...], self.hidden[...])
        (cell, hidden), x = self.recurrence(self.drop_inputs(x), initial_carry=carry)
        self.cell[...], self.hidden[...] = cell, hidden
        return self.drop_outputs(x)


def _uniform(key, shape, dtype, limit):
    return jax.random.uniform(key, shape, dtype, -limit, limit)


def _forget_later(key, shape, dtype):
    """Biases of the gates in Flax's order: input, forget, candidate, output."""
    del key
    assert shape == (4 * UNITS,)
    return jnp.zeros(shape, dtype).at[UNITS : 2 * UNITS].set(1)
