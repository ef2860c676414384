"""ChestX-ray14 (NIH) -> data/chestxray14/manifest.csv. The same as `tienet prepare chestxray14`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python data_prep/chestxray14.py", "prepare", "chestxray14")
