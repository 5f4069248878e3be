"""What a run is, and where its files are kept."""
