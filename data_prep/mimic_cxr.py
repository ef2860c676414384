"""MIMIC-CXR (PhysioNet) -> data/mimic-cxr/manifest.csv. The same as `tienet prepare mimic-cxr`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python data_prep/mimic_cxr.py", "prepare", "mimic-cxr")
