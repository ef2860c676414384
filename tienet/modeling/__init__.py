"""The network: one file per idea of the paper."""
