"""Manifests, words, images, feature cache and batches."""
