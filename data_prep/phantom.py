"""Drawn chests -> data/phantom/manifest.csv. The same as `tienet prepare phantom`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python data_prep/phantom.py", "prepare", "phantom")
