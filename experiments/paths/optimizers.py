"""The optimizers to choose from.

`scope` and `sphere_scope` are no choices here: two weights in one array are one leaf.
Weight decay is none, as it would move the minimum that is looked for.
"""

from collections.abc import Mapping
from typing import Any

import optax

import optax_sign
from experiments.errors import unknown
from experiments.paths import inner_state
from experiments.paths.tunable import Call, Choice, Method, Slider


class _Everything:
    """The whole of the parameters, as the copied expression says it."""

    def __call__(self, _: Any) -> bool:
        return True

    def __repr__(self) -> str:
        return "lambda _: True"


RATE = Slider("learning_rate", 1e-5, 100.0, 0.01, True, "gradient")
STRIDE = Slider("learning_rate", 1e-4, 10.0, 0.1, True, "stride")
ANGLE = Slider("learning_rate", 1e-4, 1.0, 0.05, True, "angle")
BETA = Slider("beta", 0.0, 0.999, 0.9)
# Of variance adaptation, which has no estimate from the last gradient alone.
POSITIVE_BETA = Slider("beta", 0.01, 0.999, 0.9)
FADING = Slider("decay", 0.0, 1.0, 0.999)
EPSILON = Slider("eps", 1e-12, 1.0, 1e-8, True)
B1, B2 = Slider("b1", 0.0, 0.999, 0.9), Slider("b2", 0.0, 0.9999, 0.999)
NESTEROV = Choice("nesterov", (False, True))

M, V = ("m", inner_state.first_moment), ("v", inner_state.kept("nu"))
SIGN = ("sign", inner_state.sign)
RESILIENCE = ("a_t", inner_state.resilience)

METHODS: Mapping[str, Method] = {
    "sgd": Method(
        "Gradient descent",
        Call(optax.sgd, (RATE,)),
        "Every step goes straight downhill, and the steeper the slope is, the longer "
        "it is. In a narrow valley straight downhill points at the other wall, so the "
        "path zig-zags there instead of following the floor.",
    ),
    "momentum": Method(
        "Momentum",
        Call(optax.sgd, (RATE, Slider("momentum", 0.0, 0.999, 0.9), NESTEROV)),
        "Each slope is added to what is left of all earlier ones, so a ball that "
        "keeps its direction gets up to 1/(1 - momentum) times as fast. Slopes that "
        "change sides cancel, which calms the zig-zag, and a fast ball overshoots.",
        components=(("m", inner_state.kept("trace")),),
    ),
    "rmsprop": Method(
        "RMSProp",
        Call(optax.rmsprop, (STRIDE, Slider("decay", 0.0, 0.999, 0.9), EPSILON)),
        "Each weight's slope is divided by its own recent size, so the flat direction "
        "moves about as fast as the steep one. That turns the path away from straight "
        "downhill, towards the minimum.",
        components=(V,),
    ),
    "adam": Method(
        "Adam",
        Call(optax.adam, (STRIDE, B1, B2, EPSILON, NESTEROV)),
        "An average of recent slopes, m, is divided by their recent size, the root of "
        "v, so each weight moves at a speed of its own that hardly depends on how "
        "steep it is. The path turns where one weight's slopes change side: its m "
        "shrinks and that weight halts, while the other one goes on.",
        components=(M, V),
    ),
    "rprop": Method(
        "Rprop",
        Call(
            optax.rprop,
            (
                STRIDE,
                Slider("eta_minus", 0.05, 0.95, 0.5),
                Slider("eta_plus", 1.0, 2.0, 1.2),
            ),
        ),
        "Each weight has a step size of its own, which grows while its slope keeps "
        "its sign and shrinks when that changes. How steep it is does not matter, and "
        "noise, which changes signs at random, stops it.",
        components=(("step", inner_state.kept("step_sizes")), SIGN),
    ),
    "ssd": Method(
        "Sign descent (SSD)",
        Call(optax_sign.ssd, (STRIDE,)),
        "Only the signs of the slopes count, so both weights move by the same length "
        "at every step and the path runs along diagonals. It never slows down, and "
        "ends by jumping to and fro across the minimum.",
        components=(SIGN,),
    ),
    "m_sgd": Method(
        "Averaged gradient (M-SGD)",
        Call(optax_sign.m_sgd, (RATE, BETA)),
        "Each step follows an average of the recent slopes, corrected for having "
        "started at zero: a heavy ball with much friction. It forgets slowly, so it "
        "can roll through a small hole in which gradient descent is caught.",
        components=(M,),
    ),
    "m_ssd": Method(
        "Averaged sign descent (M-SSD)",
        Call(optax_sign.m_ssd, (STRIDE, BETA)),
        "The sign is taken of an average of recent slopes, so a single odd one cannot "
        "turn a weight round. Every weight still moves by the full length at every "
        "step, and turns late, once its average has changed side.",
        components=(M, SIGN),
    ),
    "mas": Method(
        "MaS",
        Call(optax_sign.mas, (STRIDE, Slider("beta", 0.0, 0.999, 0.95))),
        "Momentum and sign: the steps of M-SSD with a longer memory, half of what "
        "Adam has to store. As no step is ever shorter than the rate, it wants a "
        "smaller one than Adam.",
        components=(M, SIGN),
    ),
    "svag": Method(
        "SVAG",
        Call(optax_sign.svag, (RATE, POSITIVE_BETA)),
        "Gradient descent in which each weight's step is multiplied by γ, between 0 "
        "and 1: how sure recent slopes make us of this one. Where they agree it is "
        "plain descent, and where they scatter it hardly moves.",
        components=(M, V, ("γ", inner_state.factor_of_gradient)),
    ),
    "m_svag": Method(
        "M-SVAG",
        Call(optax_sign.m_svag, (RATE, POSITIVE_BETA)),
        "The average of recent slopes, with each weight's step multiplied by γ, "
        "between 0 and 1: how sure we are of that average. It is Adam without the "
        "sign, so long slopes still make long steps.",
        components=(M, V, ("γ", inner_state.factor_of_momentum)),
    ),
    "adam_star": Method(
        "ADAM*",
        Call(
            optax_sign.adam_star,
            (
                STRIDE,
                POSITIVE_BETA,
                Choice("momentum", (True, False)),
                Choice("factor", ("sign", "erf")),
            ),
        ),
        "The sign says where each weight goes and γ, between 0 and 1, how sure we are "
        "of that sign: Adam, written as what it does. It turns where one weight's "
        "slopes begin to disagree, as their γ brakes that weight alone.",
        components=(M, V, ("γ", inner_state.factor_of_sign), SIGN),
    ),
    "adarem": Method(
        "AdaRem",
        Call(optax_sign.adarem, (RATE, BETA, FADING)),
        "Gradient descent in which a_t, between 0 and 2, lengthens a weight's step "
        "where its slope agrees with the past and shortens it where not. That calms "
        "the zig-zag without ever turning a step round, and fades slowly.",
        components=(M, RESILIENCE),
    ),
    "adarem_s": Method(
        "AdaRem-S, on a circle",
        Call(
            optax_sign.adarem_s,
            (RATE, BETA, FADING),
            fixed=(("scale_invariant", _Everything()),),
        ),
        "AdaRem that is bent back to its distance from the origin after each step, at "
        "a rate over the square of the length the weights would have otherwise. It is "
        "for weights whose length a network ignores: here, where length counts, that "
        "rate may explode and the path end anywhere on the circle.",
        components=(M, RESILIENCE),
    ),
    "sgd_on_circle": Method(
        "Gradient descent on a circle",
        Call(
            optax.chain,
            parts=(Call(optax.sgd, (RATE,)), Call(optax_sign.project_to_sphere)),
        ),
        "Every step goes straight downhill and is then bent back to the distance from "
        "the origin that the path began at. It ends where the slope points straight "
        "outwards or inwards, the best point of the circle near the start.",
    ),
    "hyperball": Method(
        "Adam on a hyperball",
        Call(
            optax_sign.hyperball,
            (ANGLE,),
            parts=(Call(optax.scale_by_adam, (B1, B2, EPSILON)),),
        ),
        "Adam chooses the direction, the learning rate the length of a step, as a "
        "part of the distance from the origin, to which it is bent back. Where Adam's "
        "direction points straight inwards or outwards the weights stop turning, "
        "which need not be at the circle's best point.",
        components=(M, V),
    ),
}


def find(key: str) -> Method:
    """The method of this key.

    Raises:
      ConfigError: there is none.
    """
    if key not in METHODS:
        raise unknown("optimizer", key[:50], METHODS)
    return METHODS[key]
