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
        use="nothing can be stored, and curvatures differ much between weights",
        avoid="curvatures are alike or not along the weights, or signs mislead (da-l2)",
        claims=("da-2", "da-l2"),
    ),
    Entry(
        name="m_sgd",
        update="m",
        state="4",
        use="signs mislead (da-l2), or half of Adam's state is to do for an LSTM",
        avoid="the network is a CNN: signs end clearly lower",
        claims=("da-l2", "da-5a", "da-5c-p4"),
    ),
    Entry(
        name="m_ssd",
        update="sign(m)",
        state="4",
        use="Adam works and its state is too large, as on a CNN",
        avoid="the network is an LSTM (one seed), or signs mislead (da-l2)",
        claims=("da-5a", "da-5c-p4", "da-l2"),
    ),
    Entry(
        name="mas",
        update="sign(m), β = 0.95",
        state="4",
        use="as m_ssd; its default rate does for an MLP and a CNN",
        avoid="as m_ssd; other networks want a rate of their own",
        claims=("mas-1", "mas-2", "mas-1-tuned", "mas-2-tuned", "ar-hb"),
    ),
    Entry(
        name="svag",
        update="m²/(m²+s) · g",
        state="8; 4 with the variance of the mini-batch",
        use="gradients and noise are known well, and the rate is to stay constant",
        avoid="m_svag will do: on a CNN its loss ends lower",
        claims=("da-thm", "da-l1", "da-7"),
    ),
    Entry(
        name="m_svag",
        update="m²/(m²+ρs) · m",
        state="8",
        use="signs mislead (da-l2), and m_sgd will not do",
        avoid="m_sgd will do: no worse on a CNN, about even on an LSTM",
        claims=("da-l2", "da-5c-p4", "da-5b", "da-8"),
    ),
    Entry(
        name="adam_star",
        update="m/√(m²+ρs), or erf",
        state="8",
        use="one β, no ε and an unbiased variance are wanted",
        avoid="Adam will do: at its rate adam_star ends higher on a CNN",
        claims=("da-3", "da-l1", "da-7"),
    ),
    Entry(
        name="adarem",
        update="a ⊙ g, a = 1 + λᵗ·agreement",
        state="4",
        use="steps of SGD are to gain by a bounded factor only, never negative",
        avoid="momentum or Adam will do: it oscillates more and ends no better; "
        "on an LSTM it is far behind",
        claims=("ar-b", "ar-t", "ar-q", "ar-4", "ar-4-wide", "ar-3"),
    ),
    Entry(
        name="adarem_s",
        update="as adarem, on a sphere",
        state="4",
        use="weights that a normalisation follows are to keep their norm",
        avoid="a gain over SGD with momentum is hoped for, or nothing normalises",
        claims=("ar-slr", "ar-5"),
    ),
    Entry(
        name="hyperball",
        update="any direction, at the length of the weights, on a sphere each",
        state="its direction's",
        use="Adam's rate is to carry over to a wider network, at a higher loss",
        avoid="mas will do, whose own rate carried over; never for biases and scales",
        claims=("ar-hb", "ar-hb-transfer"),
    ),
)
