"""Which GPUs are used, whether TensorFlow can use them, and the options of all sessions."""

import ast
import os
import subprocess
import sys
from ctypes.util import find_library
from types import SimpleNamespace

import pytest
import tensorflow as tf

from tests.conftest import ROOT
from tienet import cpu, devices
from tienet.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"
LOGICAL = "TIENET_LOGICAL_GPUS"
EIGHT_GPUS = "".join(f"GPU {n}: NVIDIA H100 (UUID: GPU-0000000{n})\n  MIG 1g.10gb (UUID: MIG-{n})\n" for n in range(8))


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nothing is remembered from other tests; no scheduler has set the GPUs, and no container limits the cores."""
    devices.gpu_computes.cache_clear()
    monkeypatch.setenv(VISIBLE, "")  # so that its value is put back, also if a test sets it
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setattr(cpu, "_OWN_CGROUPS", tmp_path / "no cgroup")
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", LOGICAL):
        monkeypatch.delenv(name, raising=False)
    yield
    devices.gpu_computes.cache_clear()


@pytest.fixture
def eight(monkeypatch):
    """A machine with eight GPUs."""
    monkeypatch.setattr(devices, "count", lambda: 8)


# ---- --gpu ----


@pytest.mark.parametrize("text", ["x", "0,0", "-1", ""])
def test_a_wrong_gpu_list_is_refused(text):
    with pytest.raises(InputError, match="expected cpu, or GPU numbers"):
        devices.choose_devices(text)


def test_the_cpu_hides_all_gpus(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0")
    assert devices.choose_devices("cpu") == []
    assert os.environ[VISIBLE] == "-1"


def test_gpus_that_are_there_are_the_only_visible_ones(eight):
    with pytest.raises(InputError, match=r"^--gpu 2,8: there is no GPU 8; there are 0,1,2,3,4,5,6,7$"):
        devices.choose_devices("2,8")
    assert devices.choose_devices("1,3") == [1, 3]
    assert os.environ[VISIBLE] == "1,3"


@pytest.mark.parametrize(
    ("given", "text", "chosen"),
    [
        ("6", "0", "6"),
        ("4,5,6,7", "0,1,2,3", "4,5,6,7"),
        ("4,5,6,7", "2,0", "6,4"),
        ("4, 5", "1", "5"),
        ("4,-1,5", "0", "4"),
        ("GPU-00000006", "0", "GPU-00000006"),
        ("GPU-00000006,GPU-00000007", "1", "GPU-00000007"),
        ("MIG-0000", "0", "MIG-0000"),
        ("MIG-GPU-00000006/1/0", "0", "MIG-GPU-00000006/1/0"),
    ],
)
def test_numbers_count_the_gpus_that_a_scheduler_gave(eight, monkeypatch, given, text, chosen):
    monkeypatch.setenv(VISIBLE, given)
    assert devices.choose_devices(text) == [int(n) for n in text.split(",")]
    assert os.environ[VISIBLE] == chosen


@pytest.mark.parametrize("given", ["", " ", "-1", "NoDevFiles", "none", "-1,0"])
def test_a_scheduler_that_gave_none_means_the_cpu_and_a_note(eight, monkeypatch, capsys, given):
    monkeypatch.setenv(VISIBLE, given)
    assert devices.choose_devices("0,1") == [0, 1]
    assert os.environ[VISIBLE] == "-1"
    assert capsys.readouterr().err == f"note: {VISIBLE}={given!r} leaves no GPU; --gpu 0,1 runs on the CPU\n"


@pytest.mark.parametrize(
    ("given", "text", "message"),
    [
        ("6", "1", "--gpu 1: there is no GPU 1; CUDA_VISIBLE_DEVICES=6 gives 0"),
        ("4,5,-1,6", "0,2", "--gpu 0,2: there is no GPU 2; CUDA_VISIBLE_DEVICES=4,5,-1,6 gives 0,1"),
        ("4,9", "0", "CUDA_VISIBLE_DEVICES=4,9: there is no GPU 9; there are 0,1,2,3,4,5,6,7; mend it or unset it"),
    ],
)
def test_a_number_beyond_the_list_is_one_line_and_changes_nothing(eight, monkeypatch, given, text, message):
    monkeypatch.setenv(VISIBLE, given)
    with pytest.raises(InputError) as raised:
        devices.choose_devices(text)
    assert str(raised.value) == message
    assert os.environ[VISIBLE] == given


@pytest.mark.parametrize("given", [None, "0,1"])
def test_without_a_gpu_the_numbers_are_towers_on_the_cpu(monkeypatch, capsys, given):
    monkeypatch.setattr(devices, "count", lambda: 0)
    if given:
        monkeypatch.setenv(VISIBLE, given)
    assert devices.choose_devices("0,1,2,3") == [0, 1, 2, 3]
    assert os.environ[VISIBLE] == "-1"
    assert capsys.readouterr().err == "note: no GPU here; --gpu 0,1,2,3 runs on the CPU\n"


# ---- logical GPUs ----


@pytest.mark.parametrize(
    ("given", "text", "chosen"), [(None, "0,1,2,3", "0"), ("6,7", "3,1", "6"), ("MIG-0", "0", "MIG-0")]
)
def test_the_numbers_count_the_logical_gpus_of_the_first_one(eight, monkeypatch, given, text, chosen):
    monkeypatch.setenv(LOGICAL, "4")
    if given:
        monkeypatch.setenv(VISIBLE, given)
    assert devices.choose_devices(text) == [int(n) for n in text.split(",")]
    assert os.environ[VISIBLE] == chosen
    monkeypatch.setattr(devices, "_seen_by_tensorflow", lambda: 1)
    devices.check_gpus()
    assert devices.gpu_computes()
    sizes = [list(gpu.memory_limit_mb) for gpu in devices.session_config().gpu_options.experimental.virtual_devices]
    assert sizes == [[devices.LOGICAL_GPU_MB] * 4]


def test_without_the_variable_a_gpu_is_not_divided(eight, monkeypatch):
    monkeypatch.setattr(devices, "_seen_by_tensorflow", lambda: 8)
    assert devices.gpu_computes()
    assert not devices.session_config().gpu_options.experimental.virtual_devices


@pytest.mark.parametrize("text", ["cpu", "0,1,2,3"])
def test_where_no_gpu_computes_none_is_divided(monkeypatch, text):
    monkeypatch.setattr(devices, "count", lambda: 0)
    monkeypatch.setenv(LOGICAL, "4")
    devices.choose_devices(text)
    assert os.environ[VISIBLE] == "-1"
    assert not devices.session_config().gpu_options.experimental.virtual_devices


def test_a_number_beyond_the_logical_gpus_is_one_line(eight, monkeypatch):
    monkeypatch.setenv(LOGICAL, "2")
    with pytest.raises(InputError, match=r"^--gpu 0,2: there is no GPU 2; TIENET_LOGICAL_GPUS=2 gives 0,1$"):
        devices.choose_devices("0,2")


@pytest.mark.parametrize("value", ["x", "0", "-1", "2.5"])
def test_a_wrong_number_of_logical_gpus_is_one_line(eight, monkeypatch, value):
    monkeypatch.setenv(LOGICAL, value)
    with pytest.raises(InputError, match=rf"^TIENET_LOGICAL_GPUS={value}: expected how many logical GPUs [^\n]*$"):
        devices.choose_devices("0")


# ---- what the driver shows ----


def nvidia_smi(folder, monkeypatch, script: str) -> None:
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def libraries(monkeypatch, **there) -> None:
    """Only these of the driver's libraries can be loaded."""
    monkeypatch.setattr(devices, "_library", lambda name: there.get(name.split(".")[0].removeprefix("lib")))


def nvml(number: int, failed: int = 0) -> SimpleNamespace:
    def count_of(reference):
        reference._obj.value = number
        return failed

    return SimpleNamespace(nvmlInit_v2=lambda: 0, nvmlDeviceGetCount_v2=count_of, nvmlShutdown=lambda: 0)


def test_nvidia_smi_lists_the_gpus(monkeypatch, tmp_path):
    libraries(monkeypatch)
    nvidia_smi(tmp_path, monkeypatch, f"cat <<END\n{EIGHT_GPUS}END")
    assert devices.count() == 8


@pytest.mark.parametrize("script", [None, "echo Failed to initialize NVML >&2; exit 9"])
def test_without_nvidia_smi_its_library_is_asked(monkeypatch, tmp_path, script):
    monkeypatch.setenv("PATH", str(tmp_path))
    if script:
        nvidia_smi(tmp_path, monkeypatch, script)
    libraries(monkeypatch, **{"nvidia-ml": nvml(4)})
    assert devices.count() == 4


@pytest.mark.parametrize(
    "library", [nvml(4, failed=9), SimpleNamespace(nvmlInit_v2=lambda: 9)], ids=["no count", "no driver"]
)
def test_a_library_without_a_driver_shows_no_gpu(monkeypatch, tmp_path, library):
    monkeypatch.setenv("PATH", str(tmp_path))
    libraries(monkeypatch, **{"nvidia-ml": library})
    assert devices.count() == 0


@pytest.mark.parametrize(("program", "expected"), [(None, 0), ("print(2 if VISIBLE is None else 1)", 2)])
def test_cuda_itself_is_asked_last_without_the_schedulers_list(monkeypatch, tmp_path, program, expected):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(VISIBLE, "0")
    libraries(monkeypatch, cuda=object())  # it loads here, but the process that asks it cannot load it
    if program:
        program = program.replace("VISIBLE", f"__import__('os').environ.get({VISIBLE!r})")
        monkeypatch.setattr(devices, "_CUDA_COUNT", program)
    elif find_library("cuda"):
        pytest.skip("CUDA's library is here")
    assert devices.count() == expected


def test_a_machine_without_any_of_them_has_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    libraries(monkeypatch)
    assert devices.count() == 0


# ---- what TensorFlow can use ----


@pytest.mark.parametrize(
    ("visible", "seen", "expected"),
    [(None, 8, True), ("0,1", 2, True), ("0", 0, False), ("-1", 8, False), ("NoDevFiles", 8, False)],
)
def test_whether_a_gpu_computes(eight, monkeypatch, visible, seen, expected):
    monkeypatch.setattr(devices, "_seen_by_tensorflow", lambda: seen)
    if visible:
        monkeypatch.setenv(VISIBLE, visible)
    assert devices.gpu_computes() == expected


def test_no_gpu_computes_where_there_is_none(monkeypatch):
    monkeypatch.setattr(devices, "count", lambda: 0)
    monkeypatch.setattr(devices, "_seen_by_tensorflow", None)  # it is not asked
    assert not devices.gpu_computes()


@pytest.mark.parametrize(("gpus", "seen"), [(8, 2), (0, 0)])
def test_gpus_that_tensorflow_can_use_pass(monkeypatch, gpus, seen):
    monkeypatch.setattr(devices, "count", lambda: gpus)
    monkeypatch.setattr(devices, "_seen_by_tensorflow", lambda: seen)
    devices.choose_devices("0,1")
    devices.check_gpus()
    devices.choose_devices("cpu")
    devices.check_gpus()


def unusable(monkeypatch, seen: int, cuda: bool) -> str:
    """What is said where TensorFlow sees `seen` of the GPUs 0 and 1."""
    monkeypatch.setattr(devices, "_seen_by_tensorflow", lambda: seen)
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: cuda)
    devices.choose_devices("0,1")
    with pytest.raises(InputError) as raised:
        devices.check_gpus()
    message = str(raised.value)
    assert "\n" not in message and message.endswith("; or pass --gpu cpu to compute without a GPU")
    return message


def fake_python(folder, monkeypatch, log: str) -> None:
    """A Python that prints `log` as TensorFlow does."""
    (folder / "python").write_text(f"#!/bin/sh\n[ $TF_CPP_MIN_LOG_LEVEL = 0 ] && cat >&2 <<'END'\n{log}\nEND\n")
    (folder / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_a_tensorflow_for_the_cpu_is_named(eight, monkeypatch):
    message = unusable(monkeypatch, 0, cuda=False)
    assert message.startswith("CUDA_VISIBLE_DEVICES=0,1: TensorFlow can use none of 2 GPUs that are there: this is ")
    assert "pip uninstall tensorflow-cpu" in message and ".[gpu]" in message


def test_missing_libraries_are_named(eight, monkeypatch, tmp_path):
    missing = "I dso_loader.cc:70] Could not load dynamic library '{0}'; dlerror: {0}: cannot open shared object file"
    names = ["libcudnn.so.9", "libnvinfer.so.10", "libcufft.so.11", "libcudnn.so.9"]
    fake_python(tmp_path, monkeypatch, "\n".join(["I Created something", *map(missing.format, names)]))
    message = unusable(monkeypatch, 1, cuda=True)
    assert "can use 1 of 2 GPUs" in message
    assert "it cannot load libcudnn.so.9, libcufft.so.11; pip install" in message  # TensorRT is not needed


def test_where_no_library_is_missing_the_driver_is_suspected(eight, monkeypatch, tmp_path):
    fake_python(tmp_path, monkeypatch, "E cuda_platform.cc:52] failed call to cuInit")
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: {"cuda_version": "12.5.1"})
    assert "no library is missing; it needs a driver for CUDA 12.5.1" in unusable(monkeypatch, 0, cuda=True)


# ---- the options of all sessions, and of the eager context ----


def test_compiling_a_function_does_not_take_all_memory_of_a_gpu():
    """It starts TensorFlow's eager context before there is a session; that must take GPU memory as sessions do."""
    program = """
import os
from tensorflow.python.eager import context
start = context.Context.ensure_initialized
def spy(self):
    if not self._initialized:
        print("growth:", os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH"))
    start(self)
context.Context.ensure_initialized = spy
import tensorflow as tf
from tienet.modeling.lstm.xla import compiled
with tf.Graph().as_default():
    compiled(lambda x: x + 1)(tf.ones([2]))
print("initialized:", context.context()._initialized)
"""
    environment = {name: value for name, value in os.environ.items() if name != "TF_FORCE_GPU_ALLOW_GROWTH"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["growth: true", "initialized: True"]


def test_the_eager_context_has_the_logical_gpus_too(eight, monkeypatch):
    divided = []
    monkeypatch.setenv(LOGICAL, "4")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind} 0", f"{kind} 1"])
    monkeypatch.setattr(tf.config, "set_logical_device_configuration", lambda *given: divided.append(given))
    devices.prepare_eager_context.__wrapped__()
    ((gpu, parts),) = divided
    assert gpu == "GPU 0" and [part.memory_limit for part in parts] == [devices.LOGICAL_GPU_MB] * 4


def test_a_session_has_a_thread_for_each_core_and_takes_gpu_memory_as_needed(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    config = devices.session_config()
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (12, 12)
    assert config.gpu_options.allow_growth and config.allow_soft_placement
    assert devices.session_config() is not config


def test_tensorflows_own_variables_for_threads_are_respected(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    config = devices.session_config()
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (0, 12)


def test_every_session_of_the_program_has_these_options():
    makers = {"tf1.Session", "tf1.train.Server", "NewSessionCreator"}
    calls = [
        (path.name, node)
        for path in (ROOT / "tienet").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in makers
    ]
    assert {"predictor.py", "backbone.py", "train.py", "workers.py"} <= {name for name, _ in calls}
    for name, call in calls:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}.get("config")
        own = ("config or devices.session_config()", "self.config")  # a test's own options; the workers' with more
        assert given == "devices.session_config()" or given in own, f"{name}: {ast.unparse(call)}"


@pytest.mark.parametrize(
    ("gpu", "tf32", "expected"), [(False, True, "CPU"), (True, True, "GPU, TF32"), (True, False, "GPU, float32")]
)
def test_what_a_process_computes_with(monkeypatch, gpu, tf32, expected):
    import tensorflow as tf

    with monkeypatch.context() as patch:
        patch.setattr(devices, "gpu_computes", lambda: gpu)
        patch.setattr(tf.config.experimental, "tensor_float_32_execution_enabled", lambda: tf32)
        assert devices.arithmetic() == expected
