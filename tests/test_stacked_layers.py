"""Leaves that hold several layers step like the layers, each as a leaf of its own."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import optax_sign
from optax_sign import adarem_s, hyperball, project_to_sphere, scale_by_resilience

from .stacking import cut
from .walks import walk

STEPS = 6
# In front, in the middle, two of them, and leaves that are one layer.
AXES = {"front": 0, "middle": -2, "two": (2, 0), "whole": None}
SHAPES = {
    "front": ((2, 4, 5), "float32"),
    "middle": ((4, 2, 5), "bfloat16"),
    "two": ((2, 4, 2, 5), "float32"),
    "whole": ((4, 5), "bfloat16"),
}
IN_ORDER = [(0,), (1,), (0, 2), ()]  # `AXES`, from 0
ON_SPHERE = {name: name in ("front", "middle", "whole") for name in AXES}


def draw(seed, *steps):
    """Layers of very different sizes, in each leaf."""
    rng = np.random.default_rng(seed)
    return {
        name: np.asarray(
            jnp.asarray(rng.normal(size=(*steps, *shape)) * SIZES[name], dtype)
        )
        for name, (shape, dtype) in SHAPES.items()
    }


SIZES = {
    "front": np.array([0.2, 2.0])[:, None, None],
    "middle": np.array([2.0, 0.3])[:, None],
    "two": np.array([[0.1, 1.0], [2.0, 0.5]])[:, None, :, None],
    "whole": 1.0,
}
PARAMS, GRADIENTS = draw(0), draw(1, STEPS)


def layers(tree):
    return cut(list(tree.values()), IN_ORDER)


def over_steps(tree):
    """The layers of a tree whose leaves have a leading axis of steps."""
    steps = zip(*tree.values(), strict=True)
    each = [cut(leaves, IN_ORDER) for leaves in steps]
    return [np.stack(layer) for layer in zip(*each, strict=True)]


def selected(stacked):
    """Which layers AdaRem-S has on spheres."""
    full = {k: np.full(SHAPES[k][0], on) for k, on in ON_SPHERE.items()}
    return ON_SPHERE if stacked else [bool(x.all()) for x in layers(full)]


def on_spheres(**options):
    return optax.chain(
        optax_sign.scale_by_sphere_learning_rate(0.5, 0.1, scope="leaf", **options),
        project_to_sphere(scope="leaf", **options),
    )


FACTORIES = {
    "hyperball": lambda **options: hyperball(optax.scale_by_adam(), 0.1, **options),
    "project_to_sphere": lambda **options: optax.chain(
        optax.sgd(0.5), project_to_sphere(2.0, "leaf", **options)
    ),
    "scale_by_sphere_learning_rate": on_spheres,
    "scale_by_resilience": lambda **options: optax.chain(
        scale_by_resilience(decay=0.9, **options), optax.scale(-0.5)
    ),
    "adarem": lambda **options: optax_sign.adarem(0.5, weight_decay=0.1, **options),
    "adarem_s": lambda **options: adarem_s(
        0.5, selected(bool(options)), sphere_scope="leaf", weight_decay=0.1, **options
    ),
}


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_stacked_leaves_step_like_the_layers_they_hold(factory):
    path = over_steps(walk(factory(batch_axes=AXES), PARAMS, GRADIENTS))
    alone = walk(factory(), layers(PARAMS), over_steps(GRADIENTS))
    for found, expected in zip(path, alone, strict=True):
        # Sums in another order: a few roundings a step, and of bfloat16 one may tip.
        bound = STEPS * float(jnp.finfo(found.dtype).eps) * np.abs(expected).max()
        found, expected = np.float64(found), np.float64(expected)
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
        assert np.abs(found[-1] - found[1]).max() > 4 * bound


def test_layers_keep_their_norms_as_an_unstacked_network_does():
    rng = np.random.default_rng(0)
    scale = np.array([0.1, 1.0, 3.0])[:, None, None]
    weights = jnp.asarray(rng.normal(size=(3, 6, 5)) * scale, jnp.float32)
    gradients = jnp.asarray(rng.normal(size=(20, 3, 6, 5)) + 0.3, jnp.float32)
    tx = hyperball(optax.scale_by_adam(0.9, 0.95), 0.02, batch_axes=0)
    path = walk(tx, weights, gradients)
    norms = np.linalg.norm(path.reshape(21, 3, -1), axis=-1)
    # Float32 has 6e-8 a rounding; no error is handed on to the next step.
    np.testing.assert_allclose(norms, np.tile(norms[0], (21, 1)), rtol=1e-6)


@nnx.vmap
def make_layer(key):
    return nnx.Linear(4, 4, rngs=nnx.Rngs(key))


@nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
def forward_stacked(x, layer):
    return jnp.tanh(layer(x))


def forward_listed(x, model):
    for layer in model:
        x = jnp.tanh(layer(x))
    return x


def test_a_vmapped_model_trains_like_the_list_of_its_layers():
    stacked = make_layer(jax.random.split(jax.random.key(0), 3))
    listed = nnx.List([nnx.Linear(4, 4, rngs=nnx.Rngs(0)) for _ in range(3)])
    for k, layer in enumerate(listed):
        layer.kernel[...] = stacked.kernel[k]
        layer.bias[...] = stacked.bias[k]
    x = jnp.sin(jnp.arange(20.0)).reshape(5, 4)

    def train(model, forward, **options):
        def label(params):
            return jax.tree.map_with_path(
                lambda path, _: "kernel" in jax.tree_util.keystr(path), params
            )

        kernels = hyperball(optax.scale_by_adam(), 0.1, **options)
        tx = optax.partition({True: kernels, False: optax.sgd(0.1)}, label)
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

        @nnx.jit
        def step(model, optimizer):
            gradients = nnx.grad(lambda m: jnp.mean((forward(x, m) - x[::-1]) ** 2))
            optimizer.update(model, gradients(model))

        for _ in range(5):
            step(model, optimizer)

    before = np.array(stacked.kernel[...])
    train(stacked, forward_stacked, batch_axes=0)
    train(listed, forward_listed)
    assert np.abs(stacked.kernel[...] - before).min(axis=(1, 2)).max() > 1e-3
    for k, layer in enumerate(listed):
        # Five steps, a few roundings of float32 each, on numbers of size 1.
        for name in ("kernel", "bias"):
            found, expected = getattr(stacked, name)[k], getattr(layer, name)[...]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


NESTED = {"blocks": {"w": jnp.ones([3, 4, 5]), "b": jnp.ones([3, 5])}, "head": {}}
NESTED["head"] = {"w": jnp.ones([5, 2]), "b": jnp.ones([2])}


@pytest.mark.parametrize(
    "batch_axes",
    [
        {"blocks": 0, "head": None},
        {"blocks": {"w": (0,), "b": -2}, "head": {"w": None, "b": ()}},
        lambda params: {"blocks": 0, "head": None},
        lambda params: jax.tree.map_with_path(
            lambda path, _: 0 if "blocks" in jax.tree_util.keystr(path) else None,
            params,
        ),
    ],
    ids=["prefix", "tree", "prefix of a function", "tree of a function"],
)
def test_trees_of_axes_also_where_leaves_are_masked(batch_axes):
    def radii(tx):
        state = jax.eval_shape(tx.init, NESTED)
        return [x.shape for _, x in optax.tree.get_all_with_path(state, "radius")]

    ball = project_to_sphere(scope="leaf", batch_axes=batch_axes)
    assert radii(ball) == [(3 + 3 + 1 + 1,)]
    kernels = jax.tree.map(lambda p: p.ndim > 1, NESTED)
    kernels["blocks"]["b"] = False
    assert radii(optax.masked(ball, kernels)) == [(3 + 1,)]
    assert radii(optax.masked(ball, {"blocks": True, "head": False})) == [(3 + 3,)]
    tx = adarem_s(0.1, kernels, sphere_scope="leaf", batch_axes=batch_axes)
    assert radii(tx) == [(3 + 1,)]


def test_of_adarem_s_the_scopes_are_apart():
    def sizes(**scopes):
        tx = adarem_s(0.1, ON_SPHERE, batch_axes=AXES, **scopes)
        state = jax.eval_shape(tx.init, PARAMS)
        return [
            [x.size for _, x in optax.tree.get_all_with_path(state, name)]
            for name in ("largest", "radius")
        ]

    # First that of "two", which is flat.
    assert sizes() == [[4, 2 + 2 + 1], [1]]
    assert sizes(scope="global", sphere_scope="leaf") == [[1, 1], [2 + 2 + 1]]


@pytest.mark.parametrize("wrong", [1.5, "0", True, {"w": (0, 0.5)}, np.float32(0)])
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_what_are_no_axes_is_refused(factory, wrong):
    sentence = (
        "batch_axes must be None, axes (whole numbers), a tree of these or a function "
        "to one, got "
    )
    with pytest.raises(ValueError, match=rf"^{re.escape(sentence)}.*\.$"):
        factory(batch_axes=wrong)


@pytest.mark.parametrize(
    "factory",
    [
        project_to_sphere,
        lambda **options: optax_sign.scale_by_sphere_learning_rate(0.1, **options),
        lambda **options: scale_by_resilience(scope="global", **options),
        lambda **options: optax_sign.adarem(0.1, scope="global", **options),
        lambda **options: adarem_s(0.1, jnp.ndim, scope="global", **options),
    ],
)
def test_the_whole_tree_has_no_layers(factory):
    with pytest.raises(ValueError, match=r"^batch_axes must be None .*, got 0\.$"):
        factory(batch_axes=0)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (2, r"got 2 for one of shape \(4, 5\)"),
        ((0, -3), r"got \(0, -3\) for one of shape \(2, 4, 5\)"),
        ({"front": 0}, r"got nothing for \['middle'\]"),
    ],
)
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_axes_that_no_leaf_has_are_refused(factory, axes, said):
    with pytest.raises(ValueError, match=rf"^batch_axes must be .* {said}\.$"):
        factory(batch_axes=axes).init(PARAMS)


def test_inject_hyperparams_leaves_static_axes_alone():
    tx = optax.inject_hyperparams(hyperball, static_args="batch_axes")(
        optax.scale_by_adam(), 0.1, batch_axes=0
    )
    assert tx.init(PARAMS["front"]).inner_state[-1].radius.shape == (2,)
