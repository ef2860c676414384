"""Plain classifiers and reports that the network is compared with."""
