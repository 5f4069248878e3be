"""The networks that are trained, and the layers that make them fast on a CPU."""
