"""One module a command: what it can be told, and what it does."""
