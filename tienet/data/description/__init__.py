"""What `python -m tienet.data.describe` counts, draws and shows of a data set."""
