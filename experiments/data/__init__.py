"""Data sets by name, as arrays; one is added in `datasets.py`."""
