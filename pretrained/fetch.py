"""Download and convert the ResNet-50 weights of Keras. The same as `tienet weights fetch`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python pretrained/fetch.py", "weights", "fetch")
