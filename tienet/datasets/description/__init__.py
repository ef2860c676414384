"""The description of a data set: what `tienet describe` counts, draws and shows."""
