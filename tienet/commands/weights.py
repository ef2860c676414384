"""Make pretrained/resnet50.npz, the weights of the backbone, a ResNet-50 that was trained on ImageNet."""

from tienet.commands.subcommand import Subcommand

COMMANDS: dict[str, Subcommand] = {
    "fetch": Subcommand("tienet.modeling.pretrained.fetch", "download the weights that Keras publishes, and convert"),
    "convert": Subcommand("tienet.modeling.pretrained.convert", "convert a Caffe, Keras or .npz file that you have"),
}
