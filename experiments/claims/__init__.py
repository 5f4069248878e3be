"""What a claim of a source is, how it is decided on, and what became of it."""
