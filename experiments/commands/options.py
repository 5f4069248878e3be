"""What can be said on the command line, a dataclass a command; read at every start.

Nothing is checked here but types: tyro would wrap the message into its own.
"""

import dataclasses
import os
import pathlib
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from experiments.runs import config

# The results that come with the code.
RESULTS = pathlib.Path(__file__).parents[1] / "results"


def _runs() -> pathlib.Path:
    return pathlib.Path(os.environ.get("OPTAX_SIGN_RUNS") or "runs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where runs are stored, data is found and training takes place.

    Attributes:
      runs: folder of the stored runs ($OPTAX_SIGN_RUNS sets the default).
      data_dir: folder with the data set's files as published, for a machine that cannot
        download them.
      devices: CPU devices to lay seeds over (default: one a seed, up to one a core).
    """

    runs: pathlib.Path = dataclasses.field(default_factory=_runs)
    data_dir: Annotated[
        pathlib.Path | None, arg(metavar="PATH", help_behavior_hint="")
    ] = None
    devices: Annotated[int | None, arg(metavar="INT", help_behavior_hint="")] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The runs, apart from their optimizer.

    Attributes:
      model: the network, one of mlp, mas_cnn, p1_cnn, p2_cnn, wrn_40_4, char_lstm,
        resnet_8_8 and resnet_8_16.
      dataset: the data, one of fashion_mnist, cifar10, cifar100 and war_and_peace.
      epochs: passes over the training set (default: 5).
      steps: length in steps, in place of epochs.
      batch_size: examples a step.
      shuffle: shuffle the training set anew for every epoch.
      augment: crop, mirror and distort the training images at random.
      l2: factor of half the squared norm of the weights, added to the loss.
      track_oscillation: measure how much the parameters oscillate, at evaluations.
      eval_every: steps between two evaluations.
      seeds: how many runs, which differ in initial weights and shuffling.
      first_seed: seed of the first of them.
      schedule: of the learning rate, one of constant, cosine (to zero) and step.
      boundaries: with the schedule step, the fractions of the run at which the rate is
        multiplied by the factor.
      factor: with the schedule step, what it is multiplied by.
    """

    model: str = "mlp"
    dataset: str = "fashion_mnist"
    epochs: Annotated[int | None, arg(metavar="INT", help_behavior_hint="")] = None
    steps: Annotated[int | None, arg(metavar="INT", help_behavior_hint="")] = None
    batch_size: int = 64
    shuffle: bool = True
    augment: bool = False
    l2: float = 0.0
    track_oscillation: bool = False
    eval_every: int = 500
    seeds: int = 1
    first_seed: int = 0
    schedule: str = "constant"
    boundaries: Annotated[
        tuple[float, ...], arg(metavar="FLOAT ...", help_behavior_hint="")
    ] = ()
    factor: float = config.Schedule.factor


# Without a name, the options of these are not prefixed with one.
_Settings = Annotated[Settings, arg(name="")]
_Place = Annotated[Place, arg(name="")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train:
    """Trains a network with one optimizer and stores the runs.

    Example: python -m experiments train --optimizer mas --seeds 3

    Attributes:
      optimizer: its name, or with options as in adam,learning_rate=0.01,b1=0.5.
    """

    optimizer: str = "mas"
    settings: _Settings = dataclasses.field(default_factory=Settings)
    place: _Place = dataclasses.field(default_factory=Place)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Tries claims of the papers: trains what is missing, draws the figure, decides.

    Example: python -m experiments reproduce mas-1

    Attributes:
      claims: as mas-1, or a whole study as mas, or all.
      output: folder for figures and tables of results (default: results in the folder
        of the runs); a run whose table is there is not trained again.
    """

    claims: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="CLAIM ...", help_behavior_hint="(required)"),
    ]
    output: Annotated[
        pathlib.Path | None, arg(metavar="PATH", help_behavior_hint="")
    ] = None
    place: _Place = dataclasses.field(default_factory=Place)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare:
    """Trains several optimizers on the same network and seeds and prints a table.

    Example: python -m experiments compare mas adam sgd --seeds 5

    Attributes:
      optimizers: their names, or with options as in adam,learning_rate=0.01,b1=0.5.
    """

    optimizers: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="OPTIMIZER ...", help_behavior_hint="(required)"),
    ]
    settings: _Settings = dataclasses.field(default_factory=Settings)
    place: _Place = dataclasses.field(default_factory=Place)


@dataclasses.dataclass(frozen=True, kw_only=True)
class List:
    """Lists the stored runs: what they are and how far they have come.

    Example: python -m experiments list

    Attributes:
      runs: folder of the stored runs ($OPTAX_SIGN_RUNS sets the default).
    """

    runs: pathlib.Path = dataclasses.field(default_factory=_runs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Writes the ledger: every claim, what was measured, and the verdict.

    Example: python -m experiments report --output report.html

    Attributes:
      results: folder of tables of results, as `reproduce` writes them (default: those
        that come with the code).
      output: file for the report, one page of HTML if it ends in .html, else Markdown;
        without it the report is printed.
      tables: file, as README.md, whose tables of optimizers and verdicts are brought up
        to date; comments around them tell where they are. They lead to the output.
    """

    results: Annotated[pathlib.Path, arg(help_behavior_hint="")] = RESULTS
    output: Annotated[
        pathlib.Path | None, arg(metavar="FILE", help_behavior_hint="")
    ] = None
    tables: Annotated[
        pathlib.Path | None, arg(metavar="FILE", help_behavior_hint="")
    ] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explore:
    """Opens the trajectory explorer: optimizers on surfaces, in the browser.

    Example: python -m experiments explore

    Attributes:
      port: where the page is served.
      host: who can see it: this machine alone, or another address to listen at, as
        0.0.0.0 for everyone who reaches this machine.
      browser: open the page.
    """

    port: int = 5006
    host: str = "127.0.0.1"
    browser: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Measures the time and memory of optimizers and networks on this machine.

    Example: python -m experiments bench --parts optimizers --rounds 1

    Attributes:
      parts: of optimizers (one step on 124 M weights), training (the networks, and the
        variance of their gradients) and explorer (its page); all by default.
      rounds: how often all is measured; the table shows medians.
    """

    parts: tuple[Literal["optimizers", "training", "explorer"], ...] = (
        "optimizers",
        "training",
        "explorer",
    )
    rounds: int = 3
