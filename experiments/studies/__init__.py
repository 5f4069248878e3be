"""One module a source document: its runs, its figures, its claims."""
