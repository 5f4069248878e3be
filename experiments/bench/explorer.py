"""The trajectory explorer: a redraw after compilation, and a new formula."""

import dataclasses
import json
import time
from typing import Any

import jax

from experiments import environment
from experiments.explorer import controls, page
from experiments.explorer import view as state

STEPS = 500
REDRAWS = 30
# New to every cache, and of the size that someone would type.
FORMULAS = (
    "sin(w1)*cos(w2) + 0.1*(w1**2 + w2**2)",
    "(1 - w1)**2 + 10*(w2 - w1**2)**2",
    "log(1 + w1**2) + 2*abs(w2)",
)


def measure() -> list[dict[str, Any]]:
    """Milliseconds of the server, for three optimizers of 500 steps each.

    A redraw is what a click costs, which moves the start of all three; a slider moves
    one of them.
    """
    view = dataclasses.replace(state.of_preset("ravine"), steps=STEPS)
    explorer = page.Explorer(view)
    rows = []

    def take(name: str, change) -> None:
        begin = time.perf_counter()
        explorer.change(change)
        rows.append({"name": name, "milliseconds": 1e3 * (time.perf_counter() - begin)})
        assert not explorer.said, explorer.said

    for i in range(REDRAWS):
        start = (-7.9 + 0.1 * i, 2.0)
        take("click", lambda view, start=start: dataclasses.replace(view, start=start))
    for i in range(REDRAWS):
        first = state.Shown("sgd", (("learning_rate", 0.05 + 0.001 * i),))
        take(
            "slider",
            lambda view, first=first: dataclasses.replace(
                view, optimizers=(first, *view.optimizers[1:])
            ),
        )
    for text in FORMULAS:
        take("new formula", lambda view, text=text: controls.with_formula(view, text))
    return rows


if __name__ == "__main__":
    environment.prepare()
    # What has been compiled before would make a formula that is new look faster.
    jax.config.update("jax_enable_compilation_cache", False)
    for row in measure():
        print(json.dumps(row))
