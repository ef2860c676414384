"""What `python -m tienet.commands.describe` counts, draws and shows of a data set."""
