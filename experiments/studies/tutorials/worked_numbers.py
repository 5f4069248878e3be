r"""The numbers that Tutorial A works out by hand, by the optimizers of optax.

On :math:`E = 3 w_1^2 + 10 w_2^2` from (-15, 20): two steps of gradient descent, of
momentum and of the adaptive learning scheme, which is RMSProp with ε in the root. On a
constant gradient: what momentum makes of it. And the factor that both bias corrections
of Adam's second step come to.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table
from experiments.paths import inner_state
from experiments.paths.surfaces import PRESETS
from experiments.paths.trajectory import walk
from experiments.style import STYLES

EXAMPLE = PRESETS["quadratic"]
LEARNING_RATE, FRICTION = 0.001, 0.9
ADAPTIVE_RATE, BETA, EPS = 0.05, 0.9, 1e-8
CONSTANT = 400  # steps on a constant gradient: 0.9^400 < 1e-18 is still to come
HUNDREDTH = 0.005  # half of the last digit printed

PRINTED: Mapping[str, tuple[str, int, tuple[float, float]]] = {
    "gradient descent, w(1)": ("gradient descent/path", 1, (-14.91, 19.6)),
    "gradient descent, w(2)": ("gradient descent/path", 2, (-14.82, 19.21)),
    "momentum, m(2)": ("momentum/trace", 1, (-170.46, 752.0)),
    "momentum, w(2)": ("momentum/path", 2, (-14.74, 18.85)),
    "adaptive, s(1)": ("adaptive/nu", 0, (810.0, 16000.0)),
    "adaptive, w(1)": ("adaptive/path", 1, (-14.84, 19.84)),
    "adaptive, s(2)": ("adaptive/nu", 1, (1521.81, 30145.02)),
    "adaptive, w(2)": ("adaptive/path", 2, (-14.73, 19.73)),
}
ROUNDED = "adaptive, s(2)"  # printed from weights that had been rounded


def momentum(friction: float) -> optax.GradientTransformation:
    """Momentum at the rate of the numerical example; 0 is gradient descent."""
    return optax.sgd(LEARNING_RATE, momentum=friction)


def adaptive(beta: float) -> optax.GradientTransformation:
    """The adaptive scheme at the rate of the numerical example."""
    return optax.rmsprop(ADAPTIVE_RATE, decay=beta, eps=EPS, eps_in_sqrt=True)


def descend(
    methods: Mapping[str, optax.GradientTransformation], steps: int, *components: str
) -> dict[str, list]:
    """The ways of methods down the example.

    Args:
      methods: by name.
      steps: of each.
      *components: fields of their states.

    Returns:
      By method: "/path", the weights, w(0) first; "/error" at these; "/gradient" of
      each step; and each component after each step.
    """
    read = {name: inner_state.kept(name) for name in components}
    with jax.enable_x64(True):
        return {
            f"{method}/{what}": np.asarray(values).tolist()
            for method, optimizer in methods.items()
            for what, values in walk(
                EXAMPLE.loss, optimizer, EXAMPLE.start, steps, read
            ).items()
        }


def table() -> Table:
    """Two steps of each method, and the two factors.

    Returns:
      By method: "/path", the weights w(0), w(1) and w(2); "/gradient" at the first two.
      "momentum/trace", m(1) and m(2), and "adaptive/nu", s(1) and s(2); "gain", of
      momentum on a constant gradient; "prefactor", of Adam's second step.
    """
    seen = {
        **descend({"gradient descent": optax.sgd(LEARNING_RATE)}, 2),
        **descend({"momentum": momentum(FRICTION)}, 2, "trace"),
        **descend({"adaptive": adaptive(BETA)}, 2, "nu"),
    }
    with jax.enable_x64(True):
        return {
            **{name: seen[name] for name in seen if not name.endswith("/error")},
            "gain": gain(FRICTION),
            "prefactor": prefactor(),
        }


def gain(friction: float) -> float:
    """By what momentum has multiplied a constant gradient in the end."""
    read = {"trace": inner_state.kept("trace")}
    seen = walk(jnp.sum, optax.trace(friction), (0.0,), CONSTANT, read)
    return float(seen["trace"][-1, 0])


def prefactor(beta_1: float = 0.9, beta_2: float = 0.999) -> float:
    """By what the bias corrections of Adam multiply its second step."""
    method = optax.scale_by_adam(beta_1, beta_2, eps=0.0)
    one = jnp.ones(())
    _, state = method.update(one, method.init(one))
    update, state = method.update(one, state)
    # The state keeps both moments as they are without any correction.
    mu, nu = (np.asarray(optax.tree.get(state, name)) for name in ("mu", "nu"))
    return float(np.asarray(update) * np.sqrt(nu) / mu)


def two_steps(evidence: Evidence) -> Figure:
    """Part 1, Figure 1 and part 2, Figure 1: two steps beside gradient descent's."""
    with figures.figure(
        9.6,
        4.4,
        "Tutorial A, Figures 1 of parts 1 and 2: the first two steps",
        "E = 3 w₁² + 10 w₂² from (-15, 20); rate 0.001, of the adaptive scheme 0.05. "
        "Arrows are the steps: rate times gradient, momentum or scaled gradient.",
    ) as figure:
        panels = figure.subplots(1, 2)
        for axes, other in zip(panels, ("momentum", "adaptive"), strict=True):
            for name, (colour, _) in zip(
                ("gradient descent", other), STYLES, strict=False
            ):
                path = np.asarray(evidence.table[f"{name}/path"])
                axes.quiver(
                    *path[:-1].T,
                    *np.diff(path, axis=0).T,
                    angles="xy",
                    scale_units="xy",
                    scale=1,
                    color=colour,
                    width=0.008,
                )
                axes.plot(*path.T, marker="o", label=name)
                for point in path[1:]:
                    axes.annotate(
                        f"({point[0]:.2f}, {point[1]:.2f})",
                        point,
                        textcoords="offset points",
                        xytext=(8, 4 if name == other else -10),
                        fontsize=8,
                    )
            axes.set(xlabel="weight w₁", ylabel="weight w₂", xlim=(-15.03, -14.6))
            axes.xaxis.set_major_locator(MultipleLocator(0.1))
            axes.legend(loc="upper right", handlelength=4)
        panels[0].set_title("momentum, α = 0.9")
        panels[1].set_title("adaptive learning rates, β = 0.9")
    return figure


def _worked(table: Table) -> Mapping[str, float]:
    vectors = {
        f"{label}, component {k + 1}": table[where][place][k]
        for label, (where, place, _) in PRINTED.items()
        for k in (0, 1)
    }
    factors = {
        "momentum, gain at α = 0.9": table["gain"],
        "Adam, prefactor of step 2": table["prefactor"],
    }
    return {**vectors, **factors}


def _furthest(evidence: Evidence) -> float:
    return max(
        float(np.abs(np.subtract(evidence.table[where][place], digits)).max())
        for label, (where, place, digits) in PRINTED.items()
        if label != ROUNDED
    )


NUMBERS = Claim(
    id="ta-num",
    source="Tutorial A, the numerical examples; part 1, Figure 1; part 2, Figure 1",
    statement="Two steps on 3 w₁² + 10 w₂² from (-15, 20), the gain of momentum on a "
    "constant gradient, 1/(1 - α), and the prefactor of Adam's second step are as "
    "printed.",
    protocol="optax in float64. The printed s(2) is worked out from weights rounded to "
    "two digits, and differs by as much; the rule leaves it out",
    trial=Calculation(quantity="value", table=table, values=_worked, digits=4),
    published={
        **{
            f"{label}, component {k + 1}": digits[k]
            for label, (_, _, digits) in PRINTED.items()
            for k in (0, 1)
        },
        "momentum, gain at α = 0.9": 10.0,
        "Adam, prefactor of step 2": 0.2353,
    },
    tolerance=HUNDREDTH,
    rule=(
        rules.at_most(
            "vectors, s(2) left out: furthest from what is printed, at most 0.005",
            _furthest,
            HUNDREDTH,
        ),
        rules.between(
            "gain: within 1e-9 of 10", lambda e: e.table["gain"], 10 - 1e-9, 10 + 1e-9
        ),
        rules.between(
            "prefactor: within 0.00005 of 0.2353",
            lambda e: e.table["prefactor"],
            0.23525,
            0.23535,
        ),
    ),
    figure=Drawing(name="figure-two-steps", draw=two_steps),
)
