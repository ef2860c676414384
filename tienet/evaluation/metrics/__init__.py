"""Each metric in a module of its own."""
