"""The trajectory explorer, a page: its controls, figures, cards and links."""
