"""Every optimizer and link under the strict modes of JAX, in each dtype."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optax_sign
from optax_sign.nnx import value_and_grad_and_variance

from .layer_cases import losses_of, make
from .steps import GRADIENTS, PARAMS, VARIANCES, assert_close, cast, run


@contextlib.contextmanager
def strict():
    """All at once: the error tells which."""
    with (
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        jax.debug_nans(True),
        jax.debug_infs(True),
    ):
        yield


@pytest.mark.parametrize(
    ("dtype", "x64"),
    [
        ("float32", False),
        ("bfloat16", False),
        ("float16", False),
        ("float32", True),
        ("float64", True),
    ],
)
def test_steps_and_states_are_those_of_the_usual_mode(row, dtype, x64):
    if row.wide_updates and dtype in ("bfloat16", "float16"):
        pytest.skip("optax.apply_updates cannot add them in this mode")
    tx = row.make(**({"weight_decay": 0.25} if row.decays else {}))

    def steps(dtype):
        gradients, variances = (
            [cast(tree, dtype) for tree in trees[:2]]
            for trees in (GRADIENTS, VARIANCES)
        )
        return run(row, tx, cast(PARAMS, dtype), gradients, variances)

    expected = steps("float32" if dtype == "float64" else dtype)
    with strict(), jax.enable_x64(x64):
        found = steps(dtype)
    assert_close(found, expected)
    wider = {jnp.dtype("float32"): jnp.dtype(dtype)} if dtype == "float64" else {}
    types = [leaf.dtype for leaf in jax.tree.leaves(expected)]
    assert [leaf.dtype for leaf in jax.tree.leaves(found)] == [
        wider.get(dtype, dtype) for dtype in types
    ]


def test_variances_are_those_of_the_usual_mode():
    x, w = np.ones((4, 3), np.float32), np.ones(3, np.float32)
    generic = optax_sign.value_and_grad_and_variance(lambda w, x: ((w * x) ** 2).sum())
    model, batch = make("mlp", np.float32)
    layered = value_and_grad_and_variance(losses_of)
    tx = optax_sign.multi_steps(optax_sign.m_svag(0.1, variance="mini_batch"), 1)

    def measured():
        _, gradient, variance = generic(w, x)
        step, _ = tx.update(gradient, tx.init(w), w, variance=variance)
        return gradient, variance, step, layered(model, *batch)[1:]

    expected = measured()
    with strict():
        found = measured()
    assert_close(found, expected)
