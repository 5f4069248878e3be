"""The trajectory explorer without its page: surfaces, methods, paths and links."""
