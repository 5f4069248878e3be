"""The fast convolution and pooling compute what Flax and lax compute."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from jax.sharding import AxisType, PartitionSpec
from jax.test_util import check_grads

from experiments.networks import cpu_layers

NHWC = ("NHWC", "HWIO", "NHWC")

# (image [B, H, W, C], kernel [H, W, I, O], strides, padding)
CONVOLUTIONS = {
    "mas first": ((2, 9, 9, 1), (3, 3, 1, 4), (1, 1), "VALID"),
    "mas second": ((2, 8, 8, 4), (3, 3, 4, 6), (1, 1), "VALID"),
    "p1 first": ((2, 8, 8, 1), (5, 5, 1, 4), (1, 1), "SAME"),
    "p1 second": ((2, 8, 8, 3), (5, 5, 3, 4), (1, 1), "SAME"),
    "odd sizes": ((3, 7, 11, 2), (3, 3, 2, 5), (1, 1), "SAME"),
    "even kernel": ((2, 9, 8, 3), (4, 2, 3, 4), (1, 1), "SAME"),
    "even kernel, low": ((2, 9, 8, 3), (4, 2, 3, 4), (1, 1), "SAME_LOWER"),
    "explicit padding": ((2, 6, 7, 3), (3, 2, 3, 4), (1, 1), ((0, 2), (3, 1))),
    "cropping": ((2, 8, 8, 2), (3, 3, 2, 2), (1, 1), ((-1, 0), (0, -2))),
    "cropping, one channel": ((2, 8, 8, 1), (3, 3, 1, 2), (1, 1), ((-1, 0), (0, -2))),
    "pointwise": ((2, 5, 5, 4), (1, 1, 4, 3), (1, 1), "VALID"),
    "whole image": ((2, 5, 4, 3), (5, 4, 3, 2), (1, 1), "VALID"),
    "strided": ((2, 8, 9, 3), (3, 3, 3, 4), (2, 2), "SAME"),
    "strided, uneven": ((2, 10, 9, 3), (3, 2, 3, 4), (3, 2), ((1, 0), (0, 1))),
    "strided, one channel": ((2, 9, 8, 1), (3, 3, 1, 4), (2, 3), "SAME"),
    "strided pointwise": ((2, 8, 7, 4), (1, 1, 4, 3), (2, 2), "SAME"),
}


def normal(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def convolution(function, strides, padding):
    return partial(
        function, window_strides=strides, padding=padding, dimension_numbers=NHWC
    )


def value_and_gradients(conv, x, w, g):
    y, pull_back = jax.vjp(conv, x, w)
    return y, *pull_back(g)


def assert_within_rounding(found, exact, sizes, terms):
    """Bound of a sum of `terms` products: terms * u * the sum of their sizes.

    It holds for every order of summation, hence for every way to convolve.
    """
    rounding = float(jnp.finfo(found.dtype).eps) / 2
    assert found.shape == exact.shape
    # A further term for the rounding of the reference itself.
    assert np.all(np.abs(found - exact) <= (terms + 1) * rounding * sizes)


def every_case_once(cases, *thorough):
    """All cases in a scan in float32; a few also in the other ways and dtypes."""
    others = ("jit", "float32"), ("vmap", "float32"), ("scan", "float64")
    return [(case, "scan", "float32") for case in cases] + [
        (case, *other) for case in thorough for other in others
    ]


@pytest.mark.parametrize(
    "case, way, dtype",
    every_case_once(CONVOLUTIONS, "mas first", "p1 second", "strided, uneven"),
)
def test_convolution_and_gradients_equal_lax(case, way, dtype):
    shape, kernel, strides, padding = CONVOLUTIONS[case]
    fast = convolution(cpu_layers.conv_general_dilated, strides, padding)
    reference = convolution(lax.conv_general_dilated, strides, padding)
    with jax.enable_x64(True):
        # One more leading axis: the steps of a scan, or the examples of a vmap.
        xs, w = normal((2, *shape), dtype), normal(kernel, dtype, 1)
        out = jax.eval_shape(reference, xs[0], w).shape
        gs = normal((2, *out), dtype, 2)
        found = jax.device_get(
            repeat(partial(value_and_gradients, fast), way, xs, w, gs)
        )
        exact = jax.jit(jax.vmap(partial(value_and_gradients, reference), (0, None, 0)))
        xs, w, gs = (array.astype("float64") for array in (xs, w, gs))
        exacts, sizes = exact(xs, w, gs), exact(abs(xs), abs(w), abs(gs))
        exacts, sizes = jax.device_get((exacts, sizes))
    taps = kernel[0] * kernel[1]
    terms = taps * kernel[2], taps * kernel[3], out[0] * out[1] * out[2]
    for parts in zip(found, exacts, sizes, terms, strict=True):
        assert parts[0].dtype == dtype
        assert_within_rounding(*parts)


@partial(jax.jit, static_argnums=(0, 1))
def repeat(step, way, xs, w, gs):
    """Takes a step for each x and g, in one program."""
    if way == "scan":
        return lax.scan(lambda c, xg: (c, step(xg[0], w, xg[1])), 0, (xs, gs))[1]
    if way == "vmap":
        return jax.vmap(step, (0, None, 0))(xs, w, gs)
    results = [step(x, w, g) for x, g in zip(xs, gs, strict=True)]
    return jax.tree.map(lambda *parts: jnp.stack(parts), *results)


@pytest.mark.parametrize("case", ["mas first", "strided, uneven"])
def test_second_derivatives_of_the_convolution(case):
    shape, kernel, strides, padding = CONVOLUTIONS[case]
    conv = convolution(cpu_layers.conv_general_dilated, strides, padding)
    with jax.enable_x64(True):
        arguments = normal(shape, "float64"), normal(kernel, "float64", 1)
        # Numerical differences at check_grads' own step and float64 tolerance.
        check_grads(conv, arguments, order=2, modes=["rev"])


@pytest.mark.parametrize(
    "kernel, padding",
    [
        ((2, 4), "SAME"),
        ((3, 2), "CIRCULAR"),
        ((3, 3), 1),
    ],
)
def test_convolution_inside_a_flax_layer(kernel, padding):
    x = normal((2, 7, 6, 3), "float32")
    fast, stock = (
        nnx.split(nnx.Conv(3, 4, kernel, padding=padding, rngs=nnx.Rngs(0), **options))
        for options in ({"conv_general_dilated": cpu_layers.conv_general_dilated}, {})
    )

    def gradients(graph, weights):
        def loss(weights, x):
            return jnp.sum(nnx.merge(graph, weights)(x) ** 2)

        return jax.tree.leaves(jax.jit(jax.grad(loss, (0, 1)))(weights, x))

    for found, expected in zip(gradients(*fast), gradients(*stock), strict=True):
        # Sums of some hundred products, each rounded by 6e-8 of it.
        np.testing.assert_allclose(found, expected, atol=3e-6 * abs(expected).max())
    assert "custom_vjp" in str(jax.make_jaxpr(nnx.merge(*fast))(x))


FALLBACKS = {
    "image dilation": (
        (2, 6, 6, 3),
        dict(lhs_dilation=(2, 1), padding=((1, 1), (1, 1))),
    ),
    "kernel dilation": ((2, 6, 6, 3), dict(rhs_dilation=(1, 2))),
    "groups": ((2, 6, 6, 6), dict(feature_group_count=2)),
    "bfloat16": ((2, 6, 6, 3), dict(dtype="bfloat16")),
    "channels first": ((2, 3, 6, 6), dict(dimension_numbers=("NCHW", "HWIO", "NCHW"))),
    "precision": ((2, 6, 6, 3), dict(precision=lax.Precision.HIGHEST)),
    "element type": ((2, 6, 6, 3), dict(preferred_element_type=jnp.float32)),
    "no output": ((2, 6, 2, 3), dict(padding="VALID")),
    "another backend": ((2, 6, 6, 3), dict()),
}


@pytest.mark.parametrize("case", FALLBACKS)
def test_other_convolutions_are_left_to_lax(case, monkeypatch):
    if case == "another backend":
        monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    shape, options = FALLBACKS[case]
    options = dict(dimension_numbers=NHWC) | options
    dtype = options.pop("dtype", "float32")
    x = jnp.asarray(normal(shape, "float32"), dtype)
    w = jnp.asarray(normal((3, 3, 3, 4), "float32", 1), dtype)
    options = dict(window_strides=(1, 1), padding="SAME") | options
    fast, stock = (
        jax.make_jaxpr(partial(conv, **options))(x, w)
        for conv in (cpu_layers.conv_general_dilated, lax.conv_general_dilated)
    )
    assert str(fast) == str(stock)


def test_convolution_of_one_spatial_axis_is_left_to_lax():
    x, w = normal((2, 9, 3), "float32"), normal((3, 3, 4), "float32", 1)
    y = cpu_layers.conv_general_dilated(
        x, w, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
    )
    assert y.shape == (2, 9, 4)


@pytest.mark.parametrize("case", ["mas second", "p1 second", "strided"])
def test_gradients_need_plain_convolutions_only(case):
    """Any other order of the axes is naive, and slow, inside a scan."""
    shape, kernel, strides, padding = CONVOLUTIONS[case]
    conv = convolution(cpu_layers.conv_general_dilated, strides, padding)
    x, w = normal(shape, "float32"), normal(kernel, "float32")
    g = jnp.ones(jax.eval_shape(conv, x, w).shape)
    program = str(jax.make_jaxpr(partial(value_and_gradients, conv))(x, w, g))
    plain = "lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2)"
    assert program.count("lhs_spec") == program.count(plain) == 3


# (input shape, window, strides, padding)
POOLS = {
    "mas": ((2, 12, 12, 3), (2, 2), (2, 2), "VALID"),
    "p1": ((2, 14, 14, 3), (3, 3), (2, 2), "SAME"),
    "2x2, odd sizes": ((2, 7, 9, 3), (2, 2), (2, 2), "VALID"),
    "3x3, odd sizes": ((2, 7, 9, 3), (3, 3), (2, 2), "SAME"),
    "overlapping": ((2, 2, 7, 8, 3), (3, 2), None, "VALID"),
    "gaps": ((2, 9, 8, 3), (2, 1), (3, 4), "VALID"),
    "explicit padding": ((2, 6, 5, 3), (3, 4), (2, 1), ((2, 1), (0, 3))),
    "whole image": ((2, 5, 4, 3), (5, 4), (1, 1), "VALID"),
    "one axis": ((2, 9, 3), (3,), (2,), "SAME"),
    "three axes": ((1, 5, 6, 4, 2), (2, 3, 2), (2, 2, 1), "SAME"),
    "no batch": ((8, 8, 2), (3, 3), (2, 2), "SAME"),
}


@pytest.mark.parametrize(
    "case, way, dtype",
    [*every_case_once(POOLS, "mas", "p1"), ("p1", "jit", "bfloat16")],
)
def test_pooling_equals_flax_to_the_bit_with_ties(case, way, dtype):
    shape, *geometry = POOLS[case]
    rng = np.random.default_rng(3)
    # Four values in windows of four to twenty: ties everywhere.
    values = np.array([-np.inf, -1.0, 0.0, 2.0])
    with jax.enable_x64(True):
        xs = jnp.asarray(rng.choice(values, (2, *shape)), dtype)
        out = jax.eval_shape(lambda x: nnx.max_pool(x, *geometry), xs[0]).shape
        # Whole numbers, so that sums over overlapping windows are exact in any order.
        gs = jnp.asarray(rng.integers(-3, 4, (2, *out)), dtype)

        def results(pool):
            def step(x, _, g):
                y, pull_back = jax.vjp(lambda x: pool(x, *geometry), x)
                return y, *pull_back(g)

            return repeat(step, way, xs, None, gs)

        found, expected = results(cpu_layers.max_pool), results(nnx.max_pool)
    for mine, flax in zip(found, expected, strict=True):
        assert mine.dtype == flax.dtype == dtype
        np.testing.assert_array_equal(mine, flax)


def test_pooling_hands_on_nan():
    x = jnp.asarray(normal((1, 4, 4, 1), "float32")).at[0, 1, 2, 0].set(jnp.nan)
    y = cpu_layers.max_pool(x, (2, 2), (2, 2))
    assert jnp.isnan(y).ravel().tolist() == [False, True, False, False]


def test_pooling_gradient_is_no_scatter():
    """XLA's `select_and_scatter` is naive, and slow, on a CPU."""
    shape, *geometry = POOLS["p1"]
    x = normal(shape, "float32")
    gradient = jax.grad(lambda x: cpu_layers.max_pool(x, *geometry).sum())
    assert "select_and" not in str(jax.make_jaxpr(gradient)(x))


@pytest.mark.parametrize("case", ["another backend", "large window", "no output"])
def test_other_pools_are_left_to_flax(case, monkeypatch):
    if case == "another backend":
        monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    window = {"large window": (8, 1), "no output": (3, 6)}.get(case, (2, 2))
    x = normal((2, 9, 5, 2), "float32")
    fast, stock = (
        jax.make_jaxpr(lambda x, pool=pool: pool(x, window, (2, 2)))(x)
        for pool in (cpu_layers.max_pool, nnx.max_pool)
    )
    assert str(fast) == str(stock)


@pytest.mark.parametrize("shared", ["images", "kernel", "neither"])
def test_gradients_of_arrays_that_devices_share(shared):
    """In a shard_map, they are summed over the devices as lax's own gradients are."""
    mesh = jax.make_mesh((jax.device_count(),), ("seed",), (AxisType.Auto,))
    each, all_alike = PartitionSpec("seed"), PartitionSpec()
    specs = {
        "images": (all_alike, each),
        "kernel": (each, all_alike),
        "neither": (each, each),
    }[shared]
    x = normal((2 * jax.device_count(), 6, 6, 3), "float32")
    w = normal((2, 2, 3, 4 * jax.device_count()), "float32", 1)
    specs = specs[0], PartitionSpec(None, None, None, *specs[1])

    def gradients(conv, pool):
        def loss(x, w):
            y = conv(x, w, (1, 1), "SAME", dimension_numbers=NHWC)
            return jnp.mean(pool(y, (2, 2), (2, 2)) ** 2)

        step = jax.shard_map(
            jax.grad(loss, (0, 1)), mesh=mesh, in_specs=specs, out_specs=specs
        )
        return jax.jit(step)(x, w)

    found = gradients(cpu_layers.conv_general_dilated, cpu_layers.max_pool)
    expected = gradients(lax.conv_general_dilated, nnx.max_pool)
    for mine, other in zip(found, expected, strict=True):
        # Sums of some hundred products, each rounded by 6e-8 of it.
        np.testing.assert_allclose(mine, other, atol=2e-6 * abs(other).max())
