"""OpenI (Indiana University chest X-rays) -> data/openi/manifest.csv. The same as `tienet prepare openi`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python data_prep/openi.py", "prepare", "openi")
