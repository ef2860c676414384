"""Compute the features of a data set once. The same as `tienet features`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python data_prep/cache_features.py", "features")
