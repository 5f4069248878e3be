r"""The bounds of AdaRem's factor: :math:`1 - \lambda^t \le a_t \le 1 + \lambda^t`.

*Adaptive Gradient Method with Resilience and Momentum*, section 3.3, says
:math:`b_t \in [-1, 1]`, so that :math:`a_t = 1 + \lambda^t b_t` never flips a
gradient's sign. Tried on numbers that are hard on floating point, in sequences that
agree with their past and in ones that do not: b is what is left of the update u,

.. math::
  \hat b_t = \frac{|u_t| - |g_t|}{(\lambda^t + 8 \epsilon) |g_t| + \tau}

with room for rounding in the denominator alone, ε the distance from 1 to the next
number of the dtype and τ its smallest normal number. Of a magnitude of at most 2, the
sum, the product and the cast each add at most ε; λ^t adds a few ε/2 that the libraries'
power may be off by: together less than 8. Below τ numbers lose their digits or are
flushed to zero, by less than τ. λ is exact in all dtypes that the factor is worked out
in, as λ^t would otherwise gather its rounding.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

import optax_sign
from experiments.claims import rules
from experiments.claims.claim import Calculation, Claim, Evidence, Table

STEPS = 300
SIZE = 200  # components of each kind
DTYPES = ("float32", "float16", "bfloat16")
DECAYS = (0.5, 1 - 2.0**-10, 1.0)  # λ
EPSILONS = (0.0, 1e-8)  # added to the denominator of b
SCOPES = ("leaf", "global")
ROUNDINGS = 8


def table(seed: int = 0, *, steps: int = STEPS, size: int = SIZE) -> Table:
    """The extremes of b as the updates show it, and what must not happen at all.

    Args:
      seed: of the gradients.
      steps: of each sequence.
      size: components of each kind of gradient.

    Returns:
      By dtype: "/least" and "/largest", of b; "/tried", components times steps times
      settings; "/flips", updates of the sign opposite to the gradient's; "/strays",
      updates that are not finite, or not zero where the gradient is.
    """
    result: dict[str, float] = {}
    for dtype in DTYPES:
        gradients = hostile(seed, dtype, steps, size)
        shown = [
            measure(gradient, updates[kind], decay)
            for scope in SCOPES
            for decay, updates in scaled(gradients, scope)
            for kind, gradient in gradients.items()
        ]
        result[f"{dtype}/least"] = min(one["least"] for one in shown)
        result[f"{dtype}/largest"] = max(one["largest"] for one in shown)
        for name in ("tried", "flips", "strays"):
            result[f"{dtype}/{name}"] = sum(one[name] for one in shown)
    return result


def hostile(seed: int, dtype: str, steps: int, size: int) -> Mapping[str, np.ndarray]:
    """Gradients by kind, shape (steps, size), none so large that twice it overflows.

    "normal", of a mean that is not zero; "spread", of all magnitudes of the dtype from
    the least denormal on, or 1e-30 to 1e30 where it has these; "sparse", mostly zero;
    "tiny", denormal; "alternating", of one magnitude and a sign that changes in every
    step, as disagrees most with the past; "turning", constant but for a turn now and
    then, after which all disagree.
    """
    info, rng = jnp.finfo(dtype), np.random.default_rng(seed)
    shape, signs = (steps, size), np.where(np.arange(steps) % 2, -1.0, 1.0)[:, None]
    normal = rng.normal(0.5, 1.0, shape)
    lowest, highest = np.log10([float(info.smallest_subnormal), float(info.max) / 2])
    powers = rng.uniform(max(lowest, -30), min(highest, 30), shape)
    denormal = rng.uniform(0, float(info.tiny), shape)
    magnitudes = np.abs(rng.normal(size=size))
    kinds = {
        "normal": normal,
        "spread": rng.choice([-1, 1], shape) * 10**powers,
        "sparse": normal * (rng.uniform(size=shape) < 0.1),
        "tiny": rng.choice([-1, 1], shape) * denormal,
        "alternating": signs * magnitudes,
        "turning": np.where(np.arange(steps) % 50 < 40, 1.0, -1.0)[:, None]
        * magnitudes,
    }
    return {name: kind.astype(info.dtype) for name, kind in kinds.items()}


def scaled(
    gradients: Mapping[str, np.ndarray], scope: str
) -> list[tuple[float, Mapping[str, np.ndarray]]]:
    """λ and what the link makes of the sequences, for every λ and ε."""

    def run(decay, eps):
        link = optax_sign.scale_by_resilience(decay=decay, scope=scope, eps=eps)

        def step(state, gradient):
            updates, state = link.update(gradient, state)
            return state, updates

        first = jax.tree.map(lambda leaf: leaf[0], gradients)
        return jax.lax.scan(step, link.init(first), gradients)[1]

    compiled = jax.jit(run)
    return [
        (decay, jax.tree.map(np.asarray, compiled(decay, eps)))
        for decay in DECAYS
        for eps in EPSILONS
    ]


def measure(
    gradients: np.ndarray, updates: np.ndarray, decay: float
) -> Mapping[str, float]:
    """The extremes of b over all steps, and the counts that `table` adds up."""
    info = jnp.finfo(gradients.dtype)
    g, u = gradients.astype(float), updates.astype(float)
    fading = decay ** np.arange(len(g))[:, None]
    room = (fading + ROUNDINGS * float(info.eps)) * np.abs(g) + float(info.tiny)
    b = (np.abs(u) - np.abs(g)) / room
    flips = u * np.sign(g) < 0
    strays = ~np.isfinite(u) | ((g == 0) & (u != 0))
    return {
        "least": float(b.min()),
        "largest": float(b.max()),
        "tried": float(g.size),
        "flips": float(flips.sum()),
        "strays": float(strays.sum()),
    }


def _of_all(evidence: Evidence, name: str) -> list[float]:
    return [evidence.table[f"{dtype}/{name}"] for dtype in DTYPES]


BOUNDS = Claim(
    id="ar-b",
    source="AdaRem, section 3.3",
    statement="The factor a_t = 1 + λ^t b_t is within [1 - λ, 1 + λ], as b_t is within "
    "[-1, 1], and never flips a gradient's sign.",
    protocol="300 updates of gradients that are normal, of all magnitudes, sparse, "
    "denormal, alternating and turning, in float32, float16 and bfloat16, for λ of "
    "0.5, 1 - 2⁻¹⁰ and 1, fading in every step (where it fades once per epoch λ^t is "
    "1 in the first), ε of 0 and 1e-8, the largest average of a leaf and of all; "
    "b_t is read off the updates, with room for 8 units of rounding in λ^t",
    trial=Calculation(
        quantity="b_t, as the updates show it",
        table=table,
        values=lambda t: {
            f"{dtype}, {end}": t[f"{dtype}/{end}"]
            for dtype in DTYPES
            for end in ("least", "largest")
        },
    ),
    rule=(
        rules.at_least(
            "b_t: least of all at least -1", lambda e: np.min(_of_all(e, "least")), -1.0
        ),
        rules.at_most(
            "b_t: largest of all at most 1",
            lambda e: np.max(_of_all(e, "largest")),
            1.0,
        ),
        rules.at_most(
            "signs flipped: none", lambda e: np.sum(_of_all(e, "flips")), 0.0
        ),
        rules.at_most(
            "updates not finite, or not zero where the gradient is: none",
            lambda e: np.sum(_of_all(e, "strays")),
            0.0,
        ),
    ),
)
