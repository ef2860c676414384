"""A folder of X-rays of your own -> data/NAME/manifest.csv. The same as `tienet prepare folder`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python data_prep/from_folder.py", "prepare", "folder")
