"""Manifests, reports as words, images, the feature cache, and the batches made from them."""
