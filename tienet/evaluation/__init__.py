"""The evaluation of checkpoints: metrics, controls without a network, the paper's tables, plots and study pages."""
