"""The console script `tienet`: one module for each sub-command, listed in `main.py` and in the groups' modules."""
