"""Where a training step is computed: the towers, and what is done once for all of them.

With one tower everything lies on its GPU: weights, Adam's variables, accumulated sums, and the update. With several the
weights lie on the CPU, where the towers' gradients are added; an update then costs each tower one copy of its gradients
to the CPU and one of the weights from there. `tienet/distributed/README.md` says why.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import tensorflow as tf
from tensorpack.graph_builder.training import DataParallelBuilder, SyncMultiGPUParameterServerBuilder
from tensorpack.tfutils.tower import get_current_tower_context
from tensorpack.tfutils.varreplace import custom_getter_scope

from tienet import devices

tf1 = tf.compat.v1

CPU = "/cpu:0"

LARGE = (tf.float16, tf.uint8)
"""The types of features and of images."""


class Placement(NamedTuple):
    """The names of the devices of a training step, as `tf.device` takes them.

    Attributes:
        towers: The device of each tower, on which its part of the batch goes forward and backward.
        weights: The device of the weights and of Adam's variables. The gradients of all towers are added, watched,
            accumulated and applied there.
    """

    towers: tuple[str, ...]
    weights: str

    @property
    def weights_are_copied(self) -> bool:
        """Whether a tower computes elsewhere than where the weights are."""
        return set(self.towers) != {self.weights}


def placement(towers: int) -> Placement:
    """The devices of a training step with so many towers; all are the CPU where no GPU computes."""
    if not devices.gpu_computes():
        return Placement((CPU,) * towers, CPU)
    gpus = tuple(f"/gpu:{n}" for n in range(towers))
    return Placement(gpus, gpus[0] if towers == 1 else CPU)


class TowerBuilder(SyncMultiGPUParameterServerBuilder):
    """Tensorpack's builder of towers that share their weights, on the devices of a placement.

    Tensorpack's own one leaves the weights on the first GPU, as it knows no resource variables, and what is done with
    the gradients on the CPU.

    Attributes:
        gradients: The operations that compute the gradients of all towers; empty before they are built.
    """

    def __init__(self, placement: Placement):
        # Not by Tensorpack's own constructor: its trainer has called that already, with all that it prints.
        self.towers, self.ps_device = list(range(len(placement.towers))), "gpu"  # "gpu": it adds no device of its own
        self._placement, self.gradients = placement, []

    def call_for_each_tower(self, tower_fn: Callable[[], list]) -> list:
        """The gradients of each tower, in the order of the towers."""
        with _variables_of_towers(self._placement):
            gradients = DataParallelBuilder.build_on_towers(self.towers, tower_fn, self._placement.towers)
        self.gradients = [gradient.op for tower in gradients for gradient, _ in tower if gradient is not None]
        if self._placement.weights_are_copied:
            for variable in tf1.trainable_variables():
                _read_once(variable)
        return gradients

    def build(self, grad_list: list, get_opt_fn: Callable[[], tf1.train.Optimizer]) -> tf.Operation:
        """The operation that applies the mean of the towers' gradients."""
        with tf.device(self._placement.weights):
            return super().build(grad_list, get_opt_fn)


def stages_inputs() -> bool:
    """Whether a step takes the images or features that came to its GPU during the step before, and not its own.

    A batch of features is some 17 MB, whose copy takes as long as a third of an update.
    """
    return devices.gpu_computes()


def staged(tensors: list[tf.Tensor], name: str) -> tuple[tf.Operation, list[tf.Tensor]]:
    """Put the tensors of the next step aside, and take those of the step before.

    What is large is kept on the device that is set here, and the rest, of which the host needs the shapes, on the CPU.

    Args:
        name: Of the place where they are kept; each has its own.
    Returns:
        The operation that puts, and the tensors, in the same order.
    """
    large = [tensor.dtype in LARGE for tensor in tensors]
    out: list[tf.Tensor | None] = [None] * len(tensors)
    puts = []
    for here in (True, False):
        chosen = [n for n, is_large in enumerate(large) if is_large == here]
        if not chosen:
            continue
        with nullcontext() if here else tf.device(CPU):
            shared = {"shared_name": f"{name}_{'large' if here else 'small'}"}
            puts.append(tf.raw_ops.Stage(values=[tensors[n] for n in chosen], **shared))
            taken = tf.raw_ops.Unstage(dtypes=[tensors[n].dtype for n in chosen], **shared)
        for n, tensor in zip(chosen, taken, strict=True):
            tensor.set_shape(tensors[n].shape)
            out[n] = tensor
    return tf.group(puts), out


@contextmanager
def _variables_of_towers(placement: Placement) -> Iterator[None]:
    """A context in which the variables of checkpoints are made on the device of the weights.

    Local variables, such as those of the frozen backbone, never change: each tower has its own, on its device, where
    the weights are elsewhere.
    """

    def placed(getter: Callable[..., tf.Variable], name: str, *args, **kwargs) -> tf.Variable:
        if tf1.GraphKeys.LOCAL_VARIABLES not in (kwargs.get("collections") or ()):
            with tf.device(placement.weights):
                return getter(name, *args, **kwargs)
        tower = get_current_tower_context()
        if placement.weights_are_copied and not tower.is_main_training_tower:
            return getter(f"{tower.name}/{name}", *args, **{**kwargs, "reuse": False})
        return getter(name, *args, **kwargs)

    with custom_getter_scope(placed):
        yield


def _read_once(variable: tf.Variable) -> None:
    """Let all uses of a weight take the same read of it, of which each tower gets one copy.

    Otherwise each use is a read, and a copy, of its own. The graph is changed afterwards because a variable's own cache
    (`caching_device`) changes the number of operations before the next one, which the random first weights depend on.
    """
    reads = [op for op in variable.handle.consumers() if op.type == "ReadVariableOp" and not op.control_inputs]
    own = next(op.outputs[0] for op in reads if op.name == f"{variable.op.name}/Read/ReadVariableOp")
    for read in (op.outputs[0] for op in reads):
        for use in read.consumers():
            for n in [n for n, tensor in enumerate(use.inputs) if tensor is read is not own]:
                use._update_input(n, own)
