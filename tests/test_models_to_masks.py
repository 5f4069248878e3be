"""From a model of Flax NNX or Equinox to a mask, a variance and an optimizer."""

import re
from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

import optax_sign
from optax_sign import adarem_s, mas, oscillation, scale_invariant_mask
from optax_sign.nnx import scale_invariant_mask as nnx_mask

from .catalogue import matrices
from .steps import PARAMS, assert_close, assert_equal

INPUTS = jnp.array([[1.0, 2.0], [-1.0, 0.5], [0.5, -2.0]])


class Normalised(eqx.Module):
    """A weight that a normalisation follows, one that none does, and a function."""

    hidden: eqx.nn.Linear
    norm: eqx.nn.LayerNorm
    output: eqx.nn.Linear
    activation: Callable

    def __init__(self):
        keys = jax.random.split(jax.random.key(0))
        self.hidden = eqx.nn.Linear(2, 4, use_bias=False, key=keys[0])
        self.norm = eqx.nn.LayerNorm(4)
        self.output = eqx.nn.Linear(4, 1, key=keys[1])
        self.activation = jax.nn.relu

    def __call__(self, x):
        return self.output(self.activation(self.norm(self.hidden(x))))


def equinox_loss(model, x):
    return jnp.sum((jax.vmap(model)(x) - 1) ** 2)


def test_equinox_from_model_to_mask_to_optimizer():
    model = Normalised()
    mask = scale_invariant_mask(equinox_loss, model, INPUTS)
    assert (mask.hidden.weight, mask.output.weight) == (True, False)
    assert {*map(type, jax.tree.leaves(mask))} == {bool}
    gradient = eqx.filter_grad(equinox_loss)(model, INPUTS)
    weights = eqx.filter(model, eqx.is_inexact_array)
    for tx in (
        mas(0.1, weight_decay=0.1, mask=matrices),
        adarem_s(0.1, matrices),
        adarem_s(0.1, mask),
    ):
        updates, _ = tx.update(gradient, tx.init(weights), model)
        assert_equal(updates, tx.update(gradient, tx.init(weights), weights)[0])
    moved = eqx.apply_updates(model, updates)
    for name, kept in {"hidden": True, "output": False}.items():
        norms = [jnp.linalg.norm(getattr(m, name).weight) for m in (model, moved)]
        assert (abs(norms[0] - norms[1]) < 1e-6) == kept
    # optax takes it, too: all of it for the whole model, and for what is trained.
    masked = optax.masked(optax.sgd(1.0), mask)
    for params in (weights, model):
        updates, _ = masked.update(gradient, masked.init(params), params)
        assert jnp.all(updates.hidden.weight == -gradient.hidden.weight)
        assert jnp.all(updates.output.weight == gradient.output.weight)


def test_equinox_variance_of_a_whole_model():
    model = Normalised()
    x = INPUTS[:, None]  # of one example each
    loss, gradient, variance = optax_sign.value_and_grad_and_variance(equinox_loss)(
        model, x
    )
    expected = eqx.filter_grad(equinox_loss)(model, INPUTS)
    assert_close(jax.tree.map(lambda g: len(x) * g, gradient), expected)
    assert jax.tree.structure(variance) == jax.tree.structure(gradient)
    assert float(loss) > 0 and all(jnp.all(v >= 0) for v in jax.tree.leaves(variance))


def test_whole_numbers_alone_have_no_gradient():
    f = optax_sign.value_and_grad_and_variance(lambda w, x: jnp.sum(w * x))
    with pytest.raises(TypeError, match="real- or complex-valued"):
        f(jnp.arange(2), INPUTS)


class BatchNormalised(nnx.Module):
    """With statistics and random numbers, which a pass writes into."""

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.hidden = nnx.Linear(2, 4, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.output = nnx.Linear(4, 1, rngs=rngs)

    def __call__(self, x):
        return self.output(self.dropout(self.norm(self.hidden(x))))


def nnx_loss(model, x):
    return jnp.sum((model(x) - 1) ** 2)


def test_nnx_from_model_to_mask_to_optimizer():
    model = BatchNormalised()
    before = jax.tree.map(jnp.copy, nnx.to_pure_dict(nnx.state(model)))
    mask = nnx_mask(nnx_loss, model, INPUTS, samples=2)
    assert_equal(nnx.to_pure_dict(nnx.state(model)), before)
    flags = nnx.to_pure_dict(mask)
    assert [flags[n]["kernel"] for n in ("hidden", "output")] == [True, False]
    gradient = nnx.grad(nnx_loss)(model, INPUTS)
    boxed = jax.tree.map(nnx.Param, mask)  # as jax.tree.map over a state gives it
    for tx in (
        adarem_s(0.1, mask),
        adarem_s(0.1, boxed),
        mas(0.1, weight_decay=0.1, mask=boxed),
        optax.masked(optax.sgd(0.1), mask),
    ):
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
        weights = model.hidden.kernel[...]
        optimizer.update(model, gradient)
        assert jnp.any(model.hidden.kernel[...] != weights)


def test_oscillation_of_an_nnx_optimizer():
    model = BatchNormalised()
    tx = optax.chain(optax.sgd(0.1), optax_sign.track_oscillation())
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    optimizer.update(model, nnx.grad(nnx_loss)(model, INPUTS))
    found = oscillation(optimizer.opt_state)
    assert float(found.mean) == 1  # a single step has no way back


@pytest.mark.parametrize(
    ("mask", "path"),
    [
        ({"first": True, "second": {"w": True, "b": False}}, "['scalar']"),
        ({"first": True, "scalar": True, "second": {"w": True}}, "['second']"),
    ],
)
@pytest.mark.parametrize("name", ["mask", "scale_invariant"])
def test_a_mask_that_leaves_a_parameter_out_is_refused(name, mask, path):
    make = adarem_s if name == "scale_invariant" else partial(mas, weight_decay=0.1)
    sentence = f"{name} must have a bool for each parameter, got none for {path}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        make(0.1, **{name: mask}).init(PARAMS)


def test_a_function_is_refused_as_a_parameter():
    with pytest.raises(ValueError, match="params must have floating or complex leaves"):
        mas(0.1).init(Normalised())
