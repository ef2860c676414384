"""Folders that are written: what they hold, and one writer for each."""
