"""What build_vocab.sh runs: data/NAME/vocab from the training reports. The same as `tienet vocabulary`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("bash data_prep/build_vocab.sh", "vocabulary")
