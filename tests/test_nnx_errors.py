"""What has no layer-wise variance is refused with one sentence."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from optax_sign.nnx import value_and_grad_and_variance

from .experiments.messages import assert_one_sentence
from .layer_cases import Layers, dense


class Twice(nnx.Module):
    """Calls one layer again, directly or inside a transformation."""

    def __init__(self, how):
        self.cell = nnx.Linear(6, 6, rngs=nnx.Rngs(0))
        self.how = how

    def __call__(self, x):
        if self.how == "again":
            return self.cell(self.cell(x))
        if self.how == "scan":
            return jax.lax.scan(lambda x, _: (self.cell(x), None), x, length=2)[0]
        return jax.vmap(self.cell)(x)


def tied():
    model = dense((6, 6, 6))
    model.layers[1].kernel = model.layers[0].kernel
    return model


def with_layer(layer):
    return Layers(nnx.Linear(6, 6, rngs=nnx.Rngs(0)), layer, inputs=(6,))


class OwnScale(nnx.Module):
    def __init__(self):
        self.scales = nnx.List([nnx.Param(jnp.ones(6))])

    def __call__(self, x):
        return x * self.scales[0]


RNGS = nnx.Rngs(0)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (with_layer(nnx.LayerNorm(6, rngs=RNGS)), r"got LayerNorm at 'layers\.1'"),
        (with_layer(nnx.BatchNorm(6, rngs=RNGS)), r"got BatchNorm at 'layers\.1'"),
        (with_layer(OwnScale()), r"got List at 'layers\.1\.scales'"),
        (
            nnx.BatchNorm(6, use_scale=False, use_bias=False, rngs=RNGS),
            "batch statistics, .* got BatchNorm at the model itself",
        ),
        (nnx.LoRALinear(6, 6, lora_rank=2, rngs=RNGS), "LoRALinear at the model"),
        (
            with_layer(nnx.WeightNorm(nnx.Linear(6, 6, rngs=RNGS), rngs=RNGS)),
            "as they are, got others in 'layers.1.layer_instance', as nnx.WeightNorm",
        ),
        (
            nnx.Linear(6, 6, promote_dtype=lambda arrays, dtype: arrays, rngs=RNGS),
            "got the model itself with a promote_dtype of its own",
        ),
        (tied(), r"share .* got one of 'layers\.0' and 'layers\.1'"),
        (Twice("again"), "each layer once, got a second call of 'cell'"),
        (Twice("scan"), "got a call of 'cell' inside one"),
        (Twice("vmap"), "got a call of 'cell' inside one"),
        (
            nnx.RNN(nnx.GRUCell(6, 6, rngs=RNGS)),
            r"got a call of 'cell\.dense_\w' inside",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_refuses_models_outside_of_the_closed_form(model, message):
    function = value_and_grad_and_variance(lambda m, x: m(x).reshape(4, -1).sum(1))
    x = jnp.ones((4, 3, 6) if isinstance(model, nnx.RNN) else (4, 6))
    with pytest.raises(ValueError, match=message) as error:
        function(model, x)
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize(
    ("loss_fn", "shape", "message"),
    [
        (lambda m, x: m(x).mean(), (4, 6), r"shape \(B,\), got shape \(\)"),
        (lambda m, x: m(x), (4, 6), r"shape \(B,\), got shape \(4, 4\)"),
        (lambda m, x: m(x).sum(1), (1, 6), "at least 2 examples, got 1"),
        (lambda m, x: m(x).sum(1), (0, 6), "at least 2 examples, got 0"),
        (
            lambda m, x: m(x.reshape(-1, 6)).reshape(len(x), -1).sum(1),
            (4, 5, 6),
            r"its 4 examples along the first axis, got 20 rows for 'layers\.0'",
        ),
        (lambda m, x: jax.vmap(lambda x: m(x).sum())(x), (4, 6), "inside one"),
        (
            lambda m, x: x.sum(1) + m(x[0]).sum(),
            (4, 6),
            r"got 1 rows for 'layers\.0'",
        ),
    ],
)
def test_refuses_losses_without_variance(loss_fn, shape, message):
    with pytest.raises(ValueError, match=message) as error:
        value_and_grad_and_variance(loss_fn)(dense(), jnp.ones(shape))
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize(
    ("loss_fn", "name"),
    [
        (
            lambda m, x: ((jnp.tanh(m(x)) @ m.layers[1].kernel[...].T) ** 2).sum(1),
            "layers.1.kernel",
        ),
        (lambda m, x: (x @ m.layers[0].kernel[...]).sum(1), "layers.0.kernel"),
        (lambda m, x: m(x * m.layers[0].bias[...][0]).sum(1), "layers.0.bias"),
        (lambda m, x: m(x).sum(1) + m.layers[1].bias[...], "layers.1.bias"),
        (
            lambda m, x: x[:, 0] * (m(x).sum(1) + m.layers[1].bias[...].sum()),
            "layers.1.bias",
        ),
        (
            lambda m, x: jnp.where(x[:, 0] > 0, m(x).sum(1) + m.layers[0].bias[0], 0),
            "layers.0.bias",
        ),
    ],
    ids=["tied", "instead", "before", "each its own", "weighted", "padded"],
)
@pytest.mark.parametrize("wrap", [lambda f: f, nnx.jit], ids=["eager", "jit"])
def test_refuses_parameters_that_act_beside_their_layers(loss_fn, name, wrap):
    # Inputs are of the width of the tied kernel.
    model, x = dense((4, 6, 4), inputs=(4,)), jnp.ones((4, 4))
    with pytest.raises(ValueError, match=f"got another use of '{name}'") as error:
        wrap(value_and_grad_and_variance(loss_fn))(model, x)
    assert_one_sentence(str(error.value))


def time_major(m, x):
    return jnp.tanh(m(x.swapaxes(0, 1))).swapaxes(0, 1).sum((1, 2))


@pytest.mark.parametrize("wrap", [lambda f: f, nnx.jit], ids=["eager", "jit"])
def test_refuses_another_axis_of_the_length_of_the_batch(wrap):
    function = wrap(value_and_grad_and_variance(time_major))
    message = "its 4 examples along the first axis, got another axis .* 'layers.0'"
    with pytest.raises(ValueError, match=message) as error:
        function(dense(), jnp.ones((4, 4, 6)))
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize(
    "loss_fn",
    [
        lambda m, x, more: m(x.reshape(4, 6)).sum(1),
        lambda m, x, more: m(x + more).sum(1),
        lambda m, x, more: m(x).sum(1) @ jnp.eye(4),
    ],
    ids=["fixed length", "of the length by chance", "constants"],
)
def test_allows_what_cannot_be_made_longer(loss_fn):
    value_and_grad_and_variance(loss_fn)(dense(), jnp.ones((4, 6)), jnp.ones((4, 1)))
