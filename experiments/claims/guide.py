"""Which optimizer when: what the claims have shown of each, in a line."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """An optimizer of the library.

    Attributes:
      name: in `optax_sign`.
      update: times minus the learning rate.
      state: bytes for each float32 weight.
      use: when to use it.
      avoid: when not.
      claims: the evidence for both, if there is any.
    """

    name: str
    update: str
    state: str
    use: str
    avoid: str
    claims: tuple[str, ...]


ENTRIES = (
    Entry(
        name="ssd",
        update="sign(g)",
        state="0",
        use="nothing can be stored; it beat SGD on quadratics whose curvature "
        "differs much from weight to weight",
        avoid="4 bytes a weight are there: next to no average (β = 0.001) ended 2.5 "
        "points of test accuracy below β = 0.5 on an MLP",
        claims=("da-2", "mas-3-tuned", "da-l2"),
    ),
    Entry(
        name="m_sgd",
        update="m",
        state="4",
        use="SGD with momentum serves you (at ten times its rate, it is nearly that), "
        "or an LSTM is to train on half of Adam's state (one seed)",
        avoid="the network is a CNN without normalisation: on one, m_ssd and Adam "
        "ended clearly lower in training loss",
        claims=("da-5a", "da-5c-p4", "da-l2"),
    ),
    Entry(
        name="m_ssd",
        update="sign(m)",
        state="4",
        use="Adam serves you, but its state is too large: on a CNN half of it gave the "
        "same test accuracy",
        avoid="the network is recurrent: on an LSTM it was clearly behind (one seed); "
        "or examples are few and features many (constructed data)",
        claims=("da-5a", "da-5b", "da-5c-p4", "da-l2"),
    ),
    Entry(
        name="mas",
        update="sign(m), β = 0.95",
        state="4",
        use="Adam serves you, but its state is too large: as fast on an MLP and on a "
        "CNN, at its default rate, too",
        avoid="the network is recurrent, as with m_ssd; or the rate is not to be "
        "searched: small ResNets wanted 30 times the default",
        claims=("mas-1", "mas-2", "mas-1-tuned", "mas-2-tuned", "ar-hb"),
    ),
    Entry(
        name="svag",
        update="m²/(m²+s) · g",
        state="8; 4 with the variance of the mini-batch",
        use="mean and variance of the gradients are known: then it converges at a "
        "constant rate, where SGD stalls",
        avoid="they are only estimated: on a CNN its training loss ended above that "
        "of m_svag",
        claims=("da-thm", "da-l1", "da-7"),
    ),
    Entry(
        name="m_svag",
        update="m²/(m²+ρs) · m",
        state="8",
        use="variance adaptation is wanted without the sign: with few examples and "
        "many features it generalised, where signs did not (constructed data)",
        avoid="half of its state will do: m_sgd ended better on a CNN and about even "
        "on an LSTM (one seed)",
        claims=("da-l2", "da-5b", "da-5c-p4", "da-8"),
    ),
    Entry(
        name="adam_star",
        update="m/√(m²+ρs), or erf",
        state="8",
        use="one β, no ε and an unbiased estimate of the variance are wanted",
        avoid="Adam serves you: at Adam's rate, the only one tried, adam_star ended "
        "with a higher training loss on a CNN",
        claims=("da-3", "da-l1", "da-7"),
    ),
    Entry(
        name="adarem",
        update="a ⊙ g, a = 1 + λᵗ·agreement",
        state="4",
        use="no step may exceed twice that of SGD, nor go against it",
        avoid="Adam or SGD with momentum serves you: on small ResNets it ended no "
        "better and oscillated more; on an LSTM two of three runs did not settle",
        claims=("ar-b", "ar-t", "ar-q", "ar-4", "ar-4-wide", "ar-3"),
    ),
    Entry(
        name="adarem_s",
        update="as adarem, on a sphere",
        state="4",
        use="weights that a normalisation layer follows are to keep their norm",
        avoid="a gain over SGD with momentum is hoped for: none showed on two small "
        "ResNets; or nothing normalises",
        claims=("ar-slr", "ar-5"),
    ),
    Entry(
        name="hyperball",
        update="any direction, at the length of the weights, on a sphere each",
        state="its direction's",
        use="one rate is to serve two widths: around AdamW it did, where AdamW's own "
        "did not (one seed)",
        avoid="the lowest training loss is wanted: around AdamW it ended higher; and "
        "never for biases and scales",
        claims=("ar-hb", "ar-hb-transfer"),
    ),
)
