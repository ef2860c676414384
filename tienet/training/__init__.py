"""Training: from a manifest to a run's folder with its best checkpoint."""
