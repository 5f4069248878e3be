"""The sign, the magnitude and the variance of stochastic gradients as optax links."""

from optax_sign import theory
from optax_sign._adarem import ScaleByResilienceState, adarem, scale_by_resilience
from optax_sign._adarem_s import adarem_s
from optax_sign._gradient_variance import value_and_grad_and_variance
from optax_sign._hyperball import hyperball
from optax_sign._master_copy import MasterCopy, keep_master_copy
from optax_sign._movement import vanishing_steps
from optax_sign._multi_steps import multi_steps
from optax_sign._oscillation import (
    Oscillation,
    TrackOscillationState,
    oscillation,
    track_oscillation,
)
from optax_sign._scale_invariance import scale_invariant_mask
from optax_sign._sign_momentum import m_sgd, m_ssd, mas, ssd
from optax_sign._sphere import (
    ProjectToSphereState,
    ScaleBySphereLearningRateState,
    project_to_sphere,
    scale_by_sphere_learning_rate,
)
from optax_sign._stochastic_rounding import apply_updates_stochastically
from optax_sign._svag import adam_star, m_svag, svag
from optax_sign._variance_adaptation import (
    ScaleByVarianceAdaptationState,
    scale_by_variance_adaptation,
)
from optax_sign._zero_gradients import skip_zero_gradients

__version__ = "0.1.0"

__all__ = [
    "MasterCopy",
    "Oscillation",
    "ProjectToSphereState",
    "ScaleByResilienceState",
    "ScaleBySphereLearningRateState",
    "ScaleByVarianceAdaptationState",
    "TrackOscillationState",
    "adam_star",
    "adarem",
    "adarem_s",
    "apply_updates_stochastically",
    "hyperball",
    "keep_master_copy",
    "m_sgd",
    "m_ssd",
    "m_svag",
    "mas",
    "multi_steps",
    "oscillation",
    "project_to_sphere",
    "scale_by_resilience",
    "scale_by_sphere_learning_rate",
    "scale_by_variance_adaptation",
    "scale_invariant_mask",
    "skip_zero_gradients",
    "ssd",
    "svag",
    "theory",
    "track_oscillation",
    "vanishing_steps",
    "value_and_grad_and_variance",
]
