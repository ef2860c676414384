"""A run's folder and its checkpoints: written, checked, restored, resumed and calibrated."""
