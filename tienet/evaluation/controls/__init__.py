"""Controls: plain classifiers and simple reports that the network is compared with."""
