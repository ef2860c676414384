"""Convert published ResNet-50 weights to an .npz. The same as `tienet weights convert`."""

from tienet.commands.main import run_script

if __name__ == "__main__":
    run_script("python pretrained/convert_resnet50.py", "weights", "convert")
