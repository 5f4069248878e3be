"""The mini-batch variance against its definition, and what it is an estimate of."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign
from optax_sign import value_and_grad_and_variance

from .experiments.messages import assert_one_sentence
from .reference import variance_adaptation

BATCH = 7
# Means of ten numbers of order one, in two orders of summation.
ROUND_OFF = 1e-14


def loss_of_one(params, example, target):
    hidden = jnp.tanh(example["x"] @ params["kernel"] + params["bias"])
    return jnp.sum((hidden * params["scale"] - target) ** 2) + example["weight"] ** 2


def make_case(batch=BATCH, dtype=float):
    """Parameters of rank 0 to 2; inputs that are a tree with leaves of rank 1 and 2."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape), dtype)

    params = {"kernel": draw(3, 2), "bias": draw(2), "scale": draw()}
    return params, {"x": draw(batch, 3), "weight": draw(batch)}, draw(batch, 2)


@pytest.fixture(scope="module")
def one_by_one():
    """Loss and gradient of each example, in float64."""
    with jax.enable_x64(True):
        params, *batch = make_case()
        in_axes = (None, 0, 0)
        each = jax.jit(jax.vmap(jax.value_and_grad(loss_of_one), in_axes))
        return jax.device_get(each(params, *batch))


# One chunk; chunks of one; several and a remainder; one and a remainder; more than all.
@pytest.mark.parametrize("chunk_size", [None, 1, 2, 5, BATCH + 1])
def test_equals_the_definition_for_any_chunk_size(chunk_size, one_by_one):
    losses, gradients = one_by_one
    with jax.enable_x64(True):
        params, *batch = make_case()
        function = jax.jit(value_and_grad_and_variance(loss_of_one, chunk_size))
        loss, gradient, variance = jax.device_get(function(params, *batch))
    assert loss == pytest.approx(np.mean(losses), rel=ROUND_OFF)
    for name, examples in gradients.items():
        np.testing.assert_allclose(gradient[name], examples.mean(0), rtol=ROUND_OFF)
        expected = variance_adaptation.mini_batch_variance(examples)
        np.testing.assert_allclose(variance[name], expected, rtol=ROUND_OFF)
        assert gradient[name].shape == variance[name].shape == params[name].shape
        assert gradient[name].dtype == variance[name].dtype == np.float64


def test_aux_is_stacked_in_the_order_of_the_examples(one_by_one):
    def with_aux(params, example, target):
        loss = loss_of_one(params, example, target)
        return loss, {"loss": loss, "label": 3}

    # The first chunk, two in a loop, and a remainder.
    function = jax.jit(value_and_grad_and_variance(with_aux, 2, has_aux=True))
    losses, gradients = one_by_one
    with jax.enable_x64(True):
        params, *batch = make_case()
        (loss, aux), gradient, _ = jax.device_get(function(params, *batch))
    np.testing.assert_allclose(aux["loss"], losses, rtol=ROUND_OFF)
    assert aux["label"].tolist() == [3] * BATCH
    assert loss == pytest.approx(np.mean(losses), rel=ROUND_OFF)
    np.testing.assert_allclose(
        gradient["bias"], gradients["bias"].mean(0), rtol=ROUND_OFF
    )


def loss_as_written(params, example, target, *, weight, power):
    """What `loss_of_one` is, of arguments that come in other ways."""
    example = {"x": example["x"], "weight": weight * target["scale"]}
    assert power == "two"  # a static argument stays what it is
    return loss_of_one(params, example, target["y"])


def test_arguments_have_their_examples_where_in_axes_says(one_by_one):
    function = value_and_grad_and_variance(
        partial(loss_as_written, power="two"),
        2,
        in_axes=[{"x": -1, "missing": 0}, {"y": 0, "scale": None}],
    )
    with jax.enable_x64(True):
        params, example, target = make_case()
        inputs = {"x": example["x"].T, "missing": None}
        targets = {"y": target, "scale": 1.0}
        found = jax.jit(function)(params, inputs, targets, weight=example["weight"])
    losses, gradients = one_by_one
    assert float(found[0]) == pytest.approx(np.mean(losses), rel=ROUND_OFF)
    exact = jax.tree.map(variance_adaptation.mini_batch_variance, gradients)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=ROUND_OFF), found[2], exact)


def test_what_all_examples_share_is_handed_on_as_it_is():
    def loss_fn(w, x, power, table, *, y):
        assert power == "two" and table.shape == (3,)
        return jnp.sum(w * x * y * table)

    function = value_and_grad_and_variance(loss_fn, in_axes=(0, None, None))
    x, table = np.float32([[1, 2, 3], [3, 5, 7]]), np.float32([1, 0, 2])
    _, gradient, variance = function(np.ones(3, "f"), x, "two", table, y=x[:, 0])
    examples = x * x[:, :1] * table
    np.testing.assert_array_equal(gradient, examples.mean(0))
    exact = variance_adaptation.mini_batch_variance(examples)
    np.testing.assert_array_equal(variance, exact)


def linear(params, example):
    """A loss whose gradient is the example."""
    return params @ example


@pytest.mark.parametrize("chunk_size", [None, 3])
def test_a_large_mean_costs_no_accuracy(chunk_size):
    # Thousandths on top of 4096, exact in float32; the mean of squares has no digit
    # left of their variance.
    ticks = np.random.default_rng(0).integers(-8, 9, size=(BATCH, 2))
    examples = np.float32(4096 + ticks / 1024)
    function = value_and_grad_and_variance(linear, chunk_size)
    _, gradient, variance = function(jnp.zeros(2), examples)
    exact = variance_adaptation.mini_batch_variance(np.float64(examples))
    # The sum, 28672, is rounded to 1e-3, so the mean may be off by about as much. The
    # square of that comes on top of squared deviations of 3e-5 in the mean.
    np.testing.assert_allclose(variance, exact, rtol=0.05)
    # Likewise.
    np.testing.assert_allclose(gradient, examples.mean(0, np.float64), rtol=3e-7)


def test_is_unbiased_by_monte_carlo():
    batches, sigma = 20_000, np.array([0.5, 3.0])
    noise = jax.random.normal(jax.random.key(1), (batches, 4, 2))
    function = value_and_grad_and_variance(linear)
    with_parameters = jax.jit(jax.vmap(lambda x: function(jnp.zeros(2), x)))
    _, gradients, variances = with_parameters(1.0 + noise * sigma)
    # ŝ has 3 degrees of freedom and so the relative deviation √(2/3); the mean of the
    # 20,000 of them has 0.6 %. Five such: one run in two million would fail by chance.
    np.testing.assert_allclose(np.mean(variances, 0), sigma**2 / 4, rtol=0.029)
    # It is the variance of the gradient itself, measured with √(2/20,000) = 1 %.
    measured = np.var(np.asarray(gradients, np.float64), axis=0)
    np.testing.assert_allclose(np.mean(variances, 0), measured, rtol=0.05)


@pytest.mark.parametrize("x64", [False, True])
def test_half_precision_gradients_have_float32_variances(x64):
    params, *batch = make_case(dtype=jnp.bfloat16)
    with jax.enable_x64(x64):
        function = jax.jit(value_and_grad_and_variance(loss_of_one, 2))
        loss, gradient, variance = function(params, *batch)
    assert loss.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.bfloat16.dtype}
    assert {leaf.dtype for leaf in jax.tree.leaves(variance)} == {jnp.float32.dtype}


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_drives_m_svag(chunk_size):
    rng = np.random.default_rng(2)
    batches = rng.normal(size=(6, BATCH, 3))
    with jax.enable_x64(True):
        tx = optax_sign.m_svag(0.3, 0.8, variance="mini_batch")
        function = value_and_grad_and_variance(
            lambda w, x: jnp.sum((w - x) ** 2) / 2, chunk_size
        )

        @jax.jit
        def train(params, batches):
            def step(carry, batch):
                params, state = carry
                _, gradient, variance = function(params, batch)
                updates, state = tx.update(gradient, state, params, variance=variance)
                return (optax.apply_updates(params, updates), state), params

            return jax.lax.scan(step, (params, tx.init(params)), batches)[1]

        path = np.asarray(train(jnp.zeros(3), batches))
    # The gradients of this loss are w - x, so their variance is that of the data.
    gradients = [[w - batch.mean(0)] for w, batch in zip(path, batches, strict=True)]
    spreads = [[variance_adaptation.mini_batch_variance(batch)] for batch in batches]
    updates = variance_adaptation.m_svag(
        [np.zeros(3)],
        gradients,
        learning_rate=0.3,
        beta=0.8,
        variance="mini_batch",
        variances=spreads,
    )
    expected = np.cumsum([step[0] for step in updates], axis=0)
    np.testing.assert_allclose(path[1:], expected[:-1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("chunk_size", [0, -1])
def test_rejects_chunks_without_examples(chunk_size):
    with pytest.raises(ValueError, match=rf"chunk_size .* got {chunk_size}\."):
        value_and_grad_and_variance(linear, chunk_size)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((np.ones((1, 2)),), "batch must hold at least 2 examples, got 1"),
        ((np.ones((0, 2)),), "batch must hold at least 2 examples, got 0"),
        ((np.ones((3, 2)), np.ones(4)), r"one length, got lengths \[3, 4\]"),
        (
            (np.ones((3, 2)), 1.0),
            r"^batch\[1\] must have examples along axis 0, got 1\.0",
        ),
        ((), r"one length, got lengths \[\]"),
    ],
)
def test_rejects_batches_that_have_no_variance(batch, message):
    function = value_and_grad_and_variance(lambda params, *example: params.sum())
    with pytest.raises(ValueError, match=message):
        function(jnp.zeros(2), *batch)


def test_members_of_a_population_have_a_gradient_and_a_variance_each():
    measure = value_and_grad_and_variance(lambda w, x: jnp.sum((w - x) ** 2), 2)
    members = jnp.array([[0.0, 1.0], [2.0, -1.0], [0.5, 3.0]])
    batch = jnp.arange(10.0).reshape(5, 2)
    together = jax.vmap(measure, (0, None))(members, batch)
    apart = [measure(member, batch) for member in members]
    # Round-off of float32 on sums of a few hundred.
    chex.assert_trees_all_close(
        together, jax.tree.map(lambda *x: jnp.stack(x), *apart), rtol=1e-6
    )


TWO = np.ones((2, 3))


@pytest.mark.parametrize(
    ("options", "batch", "more", "message"),
    [
        (
            {},
            (TWO, {"t": 0.5}),
            {},
            r"batch\[1\]\['t'\] must have examples along axis 0, got 0\.5; in_axes is "
            "None for what all examples share",
        ),
        (
            {"in_axes": (0, 1)},
            (TWO, TWO[0]),
            {},
            r"batch\[1\] must have examples along axis 1, got shape \(3,\)",
        ),
        (
            {},
            (TWO,),
            {"train": True},
            r"train must have examples along axis 0, got True; functools\.partial",
        ),
        ({"in_axes": (0, 0)}, (TWO,), {}, r"for the 1 argument.*, got \(0, 0\)"),
        ({"in_axes": "0"}, (TWO,), {}, "in_axes must be an int, None, .* got '0'"),
        ({"in_axes": None}, (TWO,), {}, r"got lengths \[\]"),
        ({"has_aux": True}, (TWO,), {}, r"a pair \(loss, aux\) where has_aux is True"),
    ],
)
def test_rejects_arguments_without_examples_in_one_sentence(
    options, batch, more, message
):
    function = value_and_grad_and_variance(lambda w, *_, **__: w.sum(), **options)
    with pytest.raises(ValueError, match=message) as error:
        function(jnp.zeros(2), *batch, **more)
    assert_one_sentence(str(error.value))


def test_rejects_an_aux_that_was_not_announced():
    function = value_and_grad_and_variance(lambda w, x: (w @ x, x))
    with pytest.raises(ValueError, match="no tuple where has_aux is False, got a tu"):
        function(jnp.zeros(3), TWO)
