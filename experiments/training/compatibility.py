"""Which runs fit together."""

from experiments.data.datasets import Dataset
from experiments.errors import ConfigError
from experiments.runs import config


def check(
    run: config.Run,
    dataset: Dataset,
    input_shape: tuple[int | None, ...],
    streams: int | None,
) -> None:
    """Refuses a run whose network cannot take its data.

    Args:
      run: the run.
      dataset: its data set.
      input_shape: of one input of its network; None stands for any length.
      streams: how many streams the network reads side by side, None if it reads none.

    Raises:
      ConfigError: what does not fit.
    """
    shape = dataset.train_inputs.shape[1:]
    lengths = zip(input_shape, shape, strict=False)
    if len(input_shape) != len(shape) or any(a not in (None, b) for a, b in lengths):
        raise ConfigError(
            f"Model {run.model!r} takes inputs of shape {input_shape}, but those of "
            f"dataset {run.dataset!r} are of shape {shape}."
        )
    if run.augment and dataset.kind == "characters":
        raise ConfigError(
            f"augment is for images, which dataset {run.dataset!r} does not hold."
        )
    if streams and (run.batch_size, run.shuffle) != (streams, False):
        raise ConfigError(
            f"Model {run.model!r} reads {streams} streams in order, so batch_size must "
            f"be {streams} and shuffle false, got {run.batch_size} and {run.shuffle}."
        )
