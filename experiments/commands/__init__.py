"""One module a command, with what it does; `options.py` has what it can be told."""
