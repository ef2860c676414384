"""Where a training step is computed: the devices that its graph asks for, and what then crosses between devices.

The processor stands for GPUs where a step runs: TensorFlow makes several devices of it.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from tensorpack import QueueInput
from tensorpack.dataflow import DataFlow
from tensorpack.tfutils.sesscreate import NewSessionCreator
from tensorpack.tfutils.sessinit import JustCurrentSession

from tests.modeling.small_network import E, V, batch_of, config_of
from tienet import devices
from tienet.data.batch_split import BatchSplit
from tienet.interruption import Interruption
from tienet.modeling import shape_math
from tienet.modeling.backbone import random_weights
from tienet.modeling.model import TieNet
from tienet.training import placement
from tienet.training import trainer as trainer_module
from tienet.training.optimizers import AllReducingOptimizer
from tienet.training.placement import Placement
from tienet.training.trainer import Trainer

tf1 = tf.compat.v1

PARTS = 4
UPDATES = 3
ONE_GPU = Placement(("/gpu:0",), "/gpu:0")
FOUR_GPUS = Placement(tuple(f"/gpu:{n}" for n in range(4)), "/cpu:0")
ONE_LIKE_A_GPU = Placement(("/cpu:1",), "/cpu:1")
FOUR_LIKE_GPUS = Placement(tuple(f"/cpu:{n}" for n in range(1, 5)), "/cpu:0")
CONFIG = config_of("annotate", dropout=0.0)


# ---- which devices there are ----


@pytest.mark.parametrize(
    ("gpu", "towers", "expected"),
    [
        (True, 1, ONE_GPU),
        (True, 4, FOUR_GPUS),
        (False, 1, Placement(("/cpu:0",), "/cpu:0")),
        (False, 2, Placement(("/cpu:0", "/cpu:0"), "/cpu:0")),
    ],
)
def test_the_weights_are_on_the_gpu_of_a_single_tower(monkeypatch, gpu, towers, expected):
    monkeypatch.setattr(devices, "gpu_computes", lambda: gpu)
    found = placement.placement(towers)
    assert found == expected
    assert found.weights_are_copied == (gpu and towers > 1)


# ---- what the graph asks for ----


class Batches(DataFlow):
    """The same parts of batches over and over."""

    def __iter__(self):
        parts = [[*batch_of(np.random.default_rng(n)), np.array([0, n], np.int32)] for n in range(PARTS)]
        while True:
            yield from parts

    def __len__(self) -> int:
        return 1


def built(where: Placement | None, split: BatchSplit, input_of: type = QueueInput, **settings) -> Trainer:
    """A trainer with its graph, which is the default one, on these devices; None: on those of this machine."""
    tf1.set_random_seed(1)
    config = CONFIG.replace(**settings)
    backbone = random_weights("res4f", 0) if config.features == "off" else None
    model = TieNet(config, V, E, backbone_weights=backbone)
    with pytest.MonkeyPatch.context() as patched:
        if where:
            patched.setattr(placement, "placement", lambda towers: where)
        trainer = Trainer(split, Batches(), Interruption())
    with tf.device("/cpu:0"):
        queue = tf1.FIFOQueue(PARTS, [spec.dtype for spec in model.inputs()])
    inputs = input_of(Batches(), queue)
    trainer.setup_graph(model.get_input_signature(), inputs, model.build_graph, model.optimizer)
    return trainer


class Asked(NamedTuple):
    """What a graph says of an operation."""

    type: str
    name: str
    device: str
    size: int  # of the largest output; 0 if it is not known


def conditions(graph: tf.Graph) -> list[tf.Operation]:
    """The operations that have branches; the update of accumulated gradients is one."""
    return [op for op in graph.get_operations() if op.type in ("If", "StatelessIf")]


def asked(graph: tf.Graph) -> list[Asked]:
    """What a graph says of its operations, and of those in the branches of its conditions."""
    branches = [graph._get_function(op.get_attr("then_branch").name).graph for op in conditions(graph)]
    return [
        Asked(op.type, op.name, op.device, max([x.shape.num_elements() or 0 for x in op.outputs], default=0))
        for part in (graph, *branches)
        for op in part.get_operations()
    ]


def of_types(found: list[Asked], *types: str) -> Counter:
    """How many operations of these types there are on each device."""
    return Counter(op.device for op in found if op.type in types)


NETWORK = ("Conv2D", "MatMul", "L2Loss", "TanhGrad", "While")


def test_where_a_gpu_computes_features_wait_there_and_shapes_are_asked_for_on_the_processor(monkeypatch):
    monkeypatch.setattr(devices, "gpu_computes", lambda: True)
    with tf.Graph().as_default() as graph:
        built(ONE_GPU, BatchSplit(), trainer_module.QueueInput)
        found = asked(graph)
    on_cpu = {op.type for op in found if "CPU" in op.device}
    assert on_cpu > {"QueueDequeueV2", "Stage", "Unstage", "GatherV2", "Prod", "Const"}
    assert on_cpu <= shape_math.TYPES | {"FIFOQueueV2", "QueueDequeueV2", "Stage", "Unstage", "Const", "NoOp"}
    assert all(op.size < 100 for op in found if op.type in shape_math.TYPES and "CPU" in op.device)
    staged = [op.device for op in found if op.type == "Unstage"]
    assert sorted(staged) == ["/device:CPU:0", "/device:GPU:0"]
    assert "Unique" not in {op.type for op in found}  # no gradient is sparse


def test_on_one_gpu_only_the_queue_is_asked_for_on_the_processor():
    with tf.Graph().as_default() as graph:
        built(ONE_GPU, BatchSplit(accumulate=2))
        found = asked(graph)
        variables = [*tf1.global_variables(), *tf1.local_variables()]
    assert {op.type for op in found if "CPU" in op.device} == {"FIFOQueueV2", "QueueDequeueV2"}
    free = [op for op in found if not op.device and op.size > 1 and "/Initializer/" not in op.name]
    assert {op.type for op in free} <= {"ReadVariableOp", "Placeholder", "Const"}  # a read is where its variable is
    placed = {v.op.name: v.device for v in variables if "queue_size" not in v.op.name}
    assert {"accumulation/counter", "accumulation/lstm/W_w", "lstm/W_w/Adam_1", "gradient_magnitudes"} < set(placed)
    assert set(placed.values()) == {"/device:GPU:0"}
    assert of_types(found, "ResourceApplyAdam").keys() == of_types(found, *NETWORK).keys() == {"/device:GPU:0"}


def test_on_four_gpus_the_weights_and_the_update_are_asked_for_on_the_processor():
    gpus = [f"/device:GPU:{n}" for n in range(4)]
    with tf.Graph().as_default() as graph:
        built(FOUR_GPUS, BatchSplit(accumulate=2, towers=4), features="off")
        found = asked(graph)
        kept = {v.device for v in tf1.trainable_variables()}
        frozen = Counter(v.device for v in tf1.local_variables() if "backbone/" in v.op.name)
        magnitudes = next(v.device for v in tf1.local_variables() if v.op.name == "gradient_magnitudes")
        adam = {op.device for op in found if op.type == "VarHandleOp" and op.name.endswith(("/Adam", "/Adam_1"))}
    assert kept == adam == {magnitudes} == of_types(found, "ResourceApplyAdam").keys() == {"/device:CPU:0"}
    assert len(set(of_types(found, *NETWORK).values())) == 1 and sorted(of_types(found, *NETWORK)) == gpus
    assert sorted(frozen) == gpus and set(frozen.values()) == {86}  # each tower has its own backbone


def test_without_a_gpu_nothing_asks_for_one():
    with tf.Graph().as_default() as graph:
        built(None, BatchSplit(towers=2))
        assert {op.device for op in asked(graph)} == {"", "/device:CPU:0"}


def test_the_workers_gradients_are_put_together_where_they_are():
    class Workers:
        def mean_over_workers(self, message):
            return message

    with tf.Graph().as_default() as graph, tf.device(ONE_GPU.weights):
        variables = [tf1.get_variable(name, [3], use_resource=True) for name in "ab"]
        optimizer = AllReducingOptimizer(tf1.train.AdamOptimizer(0.1), Workers())
        optimizer.apply_gradients([(tf.ones([3]), variable) for variable in variables])
        found = asked(graph)
    assert of_types(found, "ConcatV2", "SplitV", "AssignVariableOp").keys() == {"/device:GPU:0"}


# ---- what crosses between devices, and what comes out ----


class Steps:
    """A trainer that runs on `where`, with a device of the processor for each of its names.

    Attributes:
        sent: The tensors that cross between two devices in a step, by the numbers (from, to) of the devices.
        sizes: The number of elements of each trainable variable.
        weights: The trainable variables by name, after UPDATES updates.
    """

    def __init__(self, where: Placement, split: BatchSplit):
        with tf.Graph().as_default():
            trainer = built(where, split)
            trainer.setup_callbacks([], [])
            variables = tf1.trainable_variables()
            self.sizes = {v.op.name: v.shape.num_elements() for v in variables}
            config = devices.session_config()
            config.device_count["CPU"] = len(where.towers) + 1
            trainer.initialize(NewSessionCreator(config=config), JustCurrentSession())
        metadata, options = tf1.RunMetadata(), tf1.RunOptions(output_partition_graphs=True)
        with trainer.sess.as_default() as session:
            trainer.loop.config(1, 1, 1)
            trainer._callbacks.before_train()
            for n in range(UPDATES * split.accumulate):
                last = (options, metadata) if n == UPDATES * split.accumulate - 1 else ()
                session.run(trainer._fetches, None, *last)
            self.weights = dict(zip(self.sizes, session.run([v._graph_element for v in variables]), strict=True))
            trainer._callbacks.after_train()
        session.close()
        self.sent = {}
        for node in (node for part in metadata.partition_graphs for node in part.node if node.op == "_Send"):
            ends = tuple(node.attr[end].s.decode()[-1] for end in ("send_device", "recv_device"))
            if "/ctrl/" not in node.input[0] and "LoopCond" not in node.input[0] and "/while/" not in node.input[0]:
                self.sent.setdefault(ends, []).append(node.input[0])


@pytest.fixture(scope="module")
def one():
    return Steps(ONE_LIKE_A_GPU, BatchSplit(accumulate=PARTS))


@pytest.fixture(scope="module")
def four():
    return Steps(FOUR_LIKE_GPUS, BatchSplit(towers=4))


def test_one_tower_takes_the_inputs_and_gives_the_loss(one):
    inputs = {f"QueueInput/input_deque{n}" for n in ("", ":1", ":2", ":3", ":4")}
    assert set(one.sent) == {("0", "1"), ("1", "0")}
    assert set(one.sent["0", "1"]) <= inputs
    assert [name.rpartition("/")[2] for name in one.sent["1", "0"]] == ["loss"]


def test_a_tower_of_four_takes_each_weight_once_and_gives_each_gradient_once(four):
    for tower in range(1, 5):
        weights = [name for name in four.sent["0", str(tower)] if not name.startswith("QueueInput/")]
        assert len(weights) == len(set(weights)) == len(four.sizes)  # of the word vectors only the rows that are read
        gradients = [name for name in four.sent[str(tower), "0"] if "/gradients/" in name]
        assert len(gradients) == len(set(gradients)) == len(four.sizes), gradients


def test_four_towers_give_the_weights_of_one(one, four):
    """One Adam applies the mean once. `SyncMultiGPUTrainerReplicated` applies it for each tower, and fails this."""
    for name, value in one.weights.items():
        np.testing.assert_allclose(four.weights[name], value, atol=1e-6, err_msg=name)
