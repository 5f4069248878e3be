"""The path of an optimizer over a surface: for explorer, tutorials and notebooks."""
