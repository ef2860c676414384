"""Training with several processes, which share each batch and keep the same weights."""
