"""The path of an optimizer over a surface."""
