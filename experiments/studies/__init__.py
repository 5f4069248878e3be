"""One folder a source, one file a topic: calculation, figure and claims."""
