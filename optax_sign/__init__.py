"""The sign, the magnitude and the variance of stochastic gradients as optax links."""

__version__ = "0.1.0"
