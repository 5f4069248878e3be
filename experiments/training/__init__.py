"""Training a run: one seed as pure functions, the loop, devices, optimizers by name."""
