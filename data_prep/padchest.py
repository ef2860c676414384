"""PadChest -> data/padchest/manifest.csv. The same as `tienet prepare padchest`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python data_prep/padchest.py", "prepare", "padchest")
