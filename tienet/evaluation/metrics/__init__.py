"""The metrics, each in a module of its own."""
