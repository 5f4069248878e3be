"""The layer-wise variance of the networks, and of their fast convolutions."""

import jax
import pytest
from flax import nnx

from experiments.networks import cpu_layers
from experiments.networks.catalogue import NETWORKS
from tests.layer_cases import prepare, two_convolutions
from tests.test_nnx import assert_close, measure, one_by_one


def network(name):
    model = NETWORKS[name](10, nnx.Rngs(0))
    model.inputs = (28, 28, 1)
    return model


def fast_convolution():
    convolve = cpu_layers.conv_general_dilated
    return two_convolutions(conv_general_dilated=convolve)


@pytest.mark.parametrize("name", ["fast convolution", "mlp", "mas_cnn", "p1_cnn"])
def test_equals_the_generic_form(name):
    with jax.enable_x64(True):
        model = fast_convolution() if name == "fast convolution" else network(name)
        model, batch = prepare(model)
        assert_close(measure(model, *batch), one_by_one(model, *batch))
