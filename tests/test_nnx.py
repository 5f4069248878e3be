"""The layer-wise variance of NNX models against the one of single examples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import PartitionSpec as P

import optax_sign
from optax_sign.nnx import value_and_grad_and_variance

from .layer_cases import CASES, losses_of, make
from .reference import variance_adaptation

# Sums of up to a few thousand float64 products, in another order, relative to the
# leaf's largest entry; 5e-15 was the most that was seen.
ROUND_OFF = 5e-14


def measure(model, *batch, loss_fn=None):
    """The function under test, jitted."""
    return nnx.jit(value_and_grad_and_variance(loss_fn or losses_of))(model, *batch)


def one_by_one(model, x, weights):
    """The generic form, one example at a time."""
    graph, params, others = nnx.split(model, nnx.Param, ...)

    def loss_of_one(params, x, weight):
        model = nnx.merge(graph, params, others)
        return losses_of(model, x[None], weight[None])[0]

    function = optax_sign.value_and_grad_and_variance(loss_of_one)
    return jax.jit(function)(params, x, weights)


def assert_close(actual, expected, tolerance=ROUND_OFF):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)

    def compare(a, b):
        assert a.shape == b.shape
        bound = tolerance * np.max(np.abs(b))
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)

    jax.tree.map(compare, actual, expected)


@pytest.mark.parametrize("name", CASES)
def test_equals_the_generic_form(name):
    with jax.enable_x64(True):
        model, batch = make(name)
        actual = measure(model, *batch)
        assert_close(actual, one_by_one(model, *batch))


def test_has_the_gradient_of_nnx():
    with jax.enable_x64(True):
        model, batch = make("two convolutions")
        _, gradient, variance = measure(model, *batch)
        plain = nnx.jit(nnx.grad(lambda model: losses_of(model, *batch).mean()))(model)
    assert_close(gradient, plain)
    assert jax.tree.structure(variance) == jax.tree.structure(plain)


@pytest.mark.parametrize("split", [False, True], ids=["model", "split model"])
def test_measures_within_a_scan(split):
    """As `nnx.jit` training does it, and as loops over pure trees do."""
    with jax.enable_x64(True):
        model, batch = make("two convolutions")
        expected = one_by_one(model, *batch)
        function = value_and_grad_and_variance(losses_of)
        if split:
            graph, params = nnx.split(model)

            def step(params, batch):
                return params, function(nnx.merge(graph, params), *batch)

            batches = jax.tree.map(lambda x: jnp.stack([x, x]), batch)
            params, results = jax.jit(lambda p: jax.lax.scan(step, p, batches))(params)
        else:

            @nnx.jit
            def train(model, batch):
                return [function(model, *batch) for _ in range(2)]

            results = train(model, batch)
            results = jax.tree.map(lambda *x: jnp.stack(x), *results)
    for index in range(2):
        assert_close(jax.tree.map(lambda x, i=index: x[i], results), expected)


def test_leaves_layers_as_they_were():
    model, batch = make("mlp", jnp.float32)
    before = nnx.graphdef(model), jax.tree.map(np.asarray, nnx.state(model))
    jax.eval_shape(value_and_grad_and_variance(losses_of), model, *batch)
    value_and_grad_and_variance(losses_of)(model, *batch)
    assert nnx.graphdef(model) == before[0]
    jax.tree.map(np.testing.assert_array_equal, nnx.state(model), before[1])


class Noisy(nnx.Module):
    """Dropout before a dense layer, and another layer that may be left out."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.used = nnx.Linear(2, 1, use_bias=False, rngs=rngs)
        self.unused = nnx.Conv(1, 2, (3,), rngs=rngs)

    def __call__(self, x):
        return self.used(self.drop(x))[:, 0]


def test_dropout_draws_on_and_is_part_of_the_variance():
    model, x = Noisy(), jnp.ones((64, 2))
    function = value_and_grad_and_variance(lambda model, x: model(x))
    drawn = []
    for step in range(2):
        dropped = nnx.clone(model).drop(x)
        _, gradient, variance = function(model, x)
        # The gradients of these losses are what dropout leaves of the inputs: 0 or 2.
        assert set(np.unique(dropped)) == {0.0, 2.0}
        exact = variance_adaptation.mini_batch_variance(np.float64(dropped))
        # A few float32 sums of 64 numbers.
        np.testing.assert_allclose(variance["used"]["kernel"][:, 0], exact, rtol=1e-5)
        np.testing.assert_allclose(gradient["used"]["kernel"][:, 0], dropped.mean(0))
        assert model.drop.rngs.count[...] == step + 1
        drawn.append(dropped)
    assert (drawn[0] != drawn[1]).any()


def test_layers_that_are_not_called_have_gradient_and_variance_zero():
    _, gradient, variance = measure(
        Noisy(), jnp.ones((4, 2)), loss_fn=lambda model, x: model(x)
    )
    for leaf in jax.tree.leaves((gradient["unused"], variance["unused"])):
        assert not leaf.any()
    assert gradient["unused"]["kernel"].shape == (3, 1, 2)


def squares(model):
    return sum(jnp.sum(p**2) for p in jax.tree.leaves(nnx.state(model, nnx.Param)))


START = jnp.arange(30.0).reshape(6, 5) / 30

PENALISED = {
    "L2": lambda model, losses, weights: losses + 3 * squares(model),
    "half": lambda model, losses, weights: (losses + squares(model)[None]) * 0.5,
    "from the start": lambda model, losses, weights: (
        losses + jnp.sum((model.layers[0].kernel[...] - START) ** 2)
    ),
    "by the batch": lambda model, losses, weights: (
        losses - weights.mean() * jnp.full(len(losses), squares(model))
    ),
}


@pytest.mark.parametrize("penalised", PENALISED.values(), ids=PENALISED)
def test_penalties_that_are_the_same_for_all_have_no_variance(penalised):
    def loss_fn(model, x, weights):
        return penalised(model, losses_of(model, x, weights), weights)

    with jax.enable_x64(True):
        model, batch = make("mlp")
        loss, gradient, variance = measure(model, *batch, loss_fn=loss_fn)
        mean = nnx.jit(nnx.value_and_grad(lambda m, *b: jnp.mean(loss_fn(m, *b))))
        assert_close((loss, gradient), mean(model, *batch))
        share = 0.25 if penalised is PENALISED["half"] else 1
        expected = jax.tree.map(lambda v: share * v, one_by_one(model, *batch)[2])
    assert_close(variance, expected)


def test_hands_on_aux_and_keywords_and_arguments_without_examples():
    def loss_fn(model, x, scale, *, weights, power):
        losses = losses_of(model, x * scale, weights) ** power
        return losses, {"losses": losses, "scale": scale}

    model, (x, weights) = make("mlp", jnp.float32)
    function = value_and_grad_and_variance(loss_fn, has_aux=True)
    (loss, aux), *moments = function(model, x, 0.5, weights=weights, power=1)
    plain = value_and_grad_and_variance(losses_of)(model, x * 0.5, weights)
    jax.tree.map(np.testing.assert_array_equal, (loss, *moments), plain)
    np.testing.assert_array_equal(aux["losses"], losses_of(model, x * 0.5, weights))
    assert aux["scale"] == 0.5


@pytest.mark.parametrize("name", ["positions", "same, one channel"])
def test_a_large_mean_costs_no_accuracy_where_gradients_are_formed(name):
    # Inputs of thousandths on top of 4096, exact in float32, of which one position or
    # window counts; the mean of squares has no digit left of their variance.
    model, (x, _) = make(name, jnp.float32, batch=7)
    ticks = np.random.default_rng(0).integers(-8, 9, size=x.shape)
    x = np.float32(4096 + ticks / 1024)
    seen = x[:, :5, :5] if name == "same, one channel" else x[:, 1, 2]
    at = (2, 2) if name == "same, one channel" else (1, 2)
    _, _, variance = measure(
        model.layers[0], x, loss_fn=lambda layer, x: layer(x)[:, *at, 0]
    )
    exact = variance_adaptation.mini_batch_variance(np.float64(seen))
    # Each of seven means is rounded to 2e-4, a twentieth of a deviation at most.
    np.testing.assert_allclose(variance["kernel"][..., 0], exact, rtol=0.1)
    assert not variance["kernel"][..., 1:].any()


def test_dense_variance_is_never_negative():
    layer = nnx.Linear(50, 40, rngs=nnx.Rngs(0))
    rng = np.random.default_rng(0)
    # The squares are 1 to 1e6 times the variance's, a float32 digit or none.
    x = np.float32(1000 + rng.normal(size=(8, 50)) / 1000)
    scale = np.float32(rng.normal(size=40))
    _, _, variance = measure(layer, x, loss_fn=lambda layer, x: layer(x) @ scale)
    assert (variance["kernel"][...] == 0).any()  # some were cut
    assert (variance["kernel"][...] >= 0).all()
    # All have the same, up to the last place of their mean.
    assert (variance["bias"][...] <= (1e-6 * scale) ** 2).all()


@pytest.mark.parametrize("name", ["mlp", "two convolutions"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_narrow_parameters_have_float32_variances(name, dtype):
    model, batch = make(name, dtype)
    loss, gradient, variance = measure(model, *batch)
    assert loss.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype(dtype)}
    assert {leaf.dtype for leaf in jax.tree.leaves(variance)} == {jnp.dtype("float32")}
    with jax.enable_x64(True):
        graph, *arrays = *nnx.split(model), batch
        params, batch = jax.tree.map(lambda x: x.astype(float), arrays)
        exact = one_by_one(nnx.merge(graph, params), *batch)
    # Layers and losses round to 24 or 8 bits a few times one after another. Of a
    # gradient's terms some cancel, which magnifies that; those of a variance do not,
    # and their sums round as far as float32 does.
    eps = float(jnp.finfo(dtype).eps)
    assert_close(gradient, exact[1], 32 * eps)
    assert_close(variance, exact[2], 4 * eps + 16 * float(jnp.finfo("float32").eps))


def test_each_device_measures_its_own_examples():
    mesh = jax.make_mesh((8,), ("x",), (jax.sharding.AxisType.Auto,))
    with jax.enable_x64(True):
        model, (x, weights) = make("two convolutions", batch=16)
        graph, params = nnx.split(model)

        def own(params, x, weights):
            model = nnx.merge(graph, params)
            result = value_and_grad_and_variance(losses_of)(model, x, weights)
            return jax.tree.map(lambda leaf: leaf[None], result)

        results = jax.jit(
            jax.shard_map(
                own,
                mesh=mesh,
                in_specs=(P(), P("x"), P("x")),
                out_specs=P("x"),
                check_vma=False,
            )
        )(params, x, weights)
        for device in (0, 7):
            part = slice(2 * device, 2 * device + 2)
            expected = one_by_one(model, x[part], weights[part])
            assert_close(jax.tree.map(lambda r, d=device: r[d], results), expected)


def test_drives_m_svag_through_the_optimizer_of_nnx():
    model, batch = make("two convolutions", jnp.float32, batch=8)
    tx = optax_sign.m_svag(0.003, variance="mini_batch")
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    function = value_and_grad_and_variance(losses_of)

    @nnx.jit
    def train_step(model, optimizer, batch):
        loss, gradient, variance = function(model, *batch)
        optimizer.update(model, gradient, variance=variance)
        return loss

    losses = [train_step(model, optimizer, batch) for _ in range(5)]
    assert np.all(np.diff(losses) < 0)
