"""Trained networks that are given images and reports."""
