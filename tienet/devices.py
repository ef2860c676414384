"""The GPUs that this process uses, and the options of its TensorFlow sessions."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

from tienet import cpu
from tienet.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

LOGICAL_GPU_MB = 16384
"""The memory that each logical GPU may take at most; it is taken as it is needed."""

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_LOGICAL = "TIENET_LOGICAL_GPUS"  # how many logical GPUs to make of one, to try several towers on it
_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"  # TensorFlow's: GPU memory is taken as it is needed, whatever its options say
_HIDDEN = "-1"  # the value that hides all GPUs from CUDA
_GPU_NAME = re.compile(r"\d+|(GPU|MIG)-\S+")  # what CUDA takes for a GPU's name in CUDA_VISIBLE_DEVICES

_CUDA_COUNT = """
import ctypes
cuda, number = ctypes.CDLL("libcuda.so.1"), ctypes.c_int()
print(0 if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(number)) else number.value)
"""
_LIST_GPUS = "import tensorflow as tf; tf.config.list_physical_devices('GPU')"
_TENSORRT = "libnvinfer"  # the start of the names of libraries that TensorFlow tries as well, and does not need


def choose_devices(text: str) -> list[int]:
    """Parse `--gpu`, and hide all other GPUs from TensorFlow, which must not have looked for them yet.

    The numbers count the GPUs that this process was given: those in CUDA_VISIBLE_DEVICES, where a scheduler has set
    it, otherwise all. With TIENET_LOGICAL_GPUS they count the logical GPUs that the first of these is divided into.

    Args:
        text: "cpu", or the numbers of GPUs, such as "0,1".
    Returns:
        The numbers of the GPUs; empty for the CPU. Where this process has no GPU the numbers are returned as well, and
        a note says that the CPU is used.
    Raises:
        InputError: The text is not such a list, or there are GPUs, but not all of these, or TIENET_LOGICAL_GPUS is
            not a number.
    """
    if text == "cpu":
        os.environ[_VISIBLE] = _HIDDEN
        return []
    try:
        gpus = [int(part) for part in text.split(",")]
    except ValueError:
        gpus = [-1]
    if min(gpus) < 0 or len(set(gpus)) < len(gpus):
        raise InputError(f"--gpu {text}: expected cpu, or GPU numbers such as 0 or 0,1,2,3")
    given = given_gpus()
    inherited = os.environ.get(_VISIBLE)
    if not given:
        why = f"{_VISIBLE}={inherited!r} leaves no GPU" if count() else "no GPU here"
        print(f"note: {why}; --gpu {text} runs on the CPU", file=sys.stderr)
        os.environ[_VISIBLE] = _HIDDEN
        return gpus
    logical = logical_gpus()
    number = logical or len(given)
    if missing := sorted(set(gpus) - set(range(number))):
        numbers = ",".join(map(str, range(number)))
        source = f"{_LOGICAL}={logical}" if logical else inherited and f"{_VISIBLE}={inherited}"
        there = f"{source} gives {numbers}" if source else f"there are {numbers}"
        raise InputError(f"--gpu {text}: there is no GPU {missing[0]}; {there}")
    os.environ[_VISIBLE] = given[0] if logical else ",".join(given[n] for n in gpus)
    return gpus


def logical_gpus() -> int:
    """How many logical GPUs the first GPU is divided into, by TIENET_LOGICAL_GPUS; 0: the GPUs are taken as they are.

    Raises:
        InputError: The variable is not a number of 1 or more.
    """
    text = os.environ.get(_LOGICAL, "")
    if text and not (text.isdecimal() and int(text)):
        raise InputError(f"{_LOGICAL}={text}: expected how many logical GPUs to make of one; mend it or unset it")
    return int(text or 0)


def given_gpus() -> list[str]:
    """The GPUs that this process was given, by their names in CUDA_VISIBLE_DEVICES: a number, a UUID or a MIG name.

    Without that variable they are all that the driver shows. With it they are those that CUDA reads there: what stands
    behind a word that names no GPU, such as -1 or NoDevFiles, does not count.

    Raises:
        InputError: The variable has the number of a GPU that is not there.
    """
    there, inherited = count(), os.environ.get(_VISIBLE)
    if inherited is None or not there:
        return [str(n) for n in range(there)]
    given = []
    for name in map(str.strip, inherited.split(",")):
        if not _GPU_NAME.fullmatch(name):
            break
        if name.isdecimal() and int(name) >= there:
            numbers = ",".join(map(str, range(there)))
            raise InputError(
                f"{_VISIBLE}={inherited}: there is no GPU {name}; there are {numbers}; mend it or unset it"
            )
        given.append(name)
    return given


def count() -> int:
    """The number of GPUs that the driver shows, found without TensorFlow, which would reserve all of them."""
    return _listed_by_nvidia_smi() or _counted_by_nvml() or _counted_by_cuda()


def _listed_by_nvidia_smi() -> int:
    if not shutil.which("nvidia-smi"):
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def _counted_by_nvml() -> int:
    """The library under nvidia-smi, for machines and containers that lack the program."""
    nvml = _library("libnvidia-ml.so.1")
    if nvml is None or nvml.nvmlInit_v2():
        return 0
    number = ctypes.c_uint()
    failed = nvml.nvmlDeviceGetCount_v2(ctypes.byref(number))
    nvml.nvmlShutdown()
    return 0 if failed else number.value


def _counted_by_cuda() -> int:
    """CUDA itself, for containers that have nothing else of the driver.

    It is asked in a process of its own: in this one it would read CUDA_VISIBLE_DEVICES, and never again.
    """
    if _library("libcuda.so.1") is None:
        return 0
    environment = {name: value for name, value in os.environ.items() if name != _VISIBLE}
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _CUDA_COUNT], env=environment, capture_output=True, text=True, check=False
    )
    return int(answer.stdout) if answer.returncode == 0 else 0


def _library(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


@cache
def gpu_computes() -> bool:
    """Whether this process computes on a GPU."""
    return bool(given_gpus()) and _seen_by_tensorflow() > 0


def check_gpus() -> None:
    """Compare the GPUs that `choose_devices` chose with those that TensorFlow can use.

    Raises:
        InputError: A GPU is there, and TensorFlow cannot use it; the message says why, as far as that can be found.
    """
    chosen = os.environ[_VISIBLE]
    if chosen == _HIDDEN:
        return
    wanted, seen = len(chosen.split(",")), _seen_by_tensorflow()
    if seen < wanted:
        raise InputError(
            f"{_VISIBLE}={chosen}: TensorFlow can use {seen or 'none'} of {wanted} GPUs that are there: "
            f"{_why_unusable()}; or pass --gpu cpu to compute without a GPU"
        )


def _seen_by_tensorflow() -> int:
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def _why_unusable() -> str:
    """Why TensorFlow does not use a GPU that is there, and what to do."""
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        return "this is TensorFlow for the CPU; pip uninstall tensorflow-cpu, then pip install -e '.[gpu]'"
    if missing := _missing_libraries():
        return f"it cannot load {', '.join(missing)}; pip install -e '.[gpu]' brings NVIDIA's libraries"
    cuda = tf.sysconfig.get_build_info().get("cuda_version", "unknown")
    return f"no library is missing; it needs a driver for CUDA {cuda} or newer, and a GPU that it was built for"


def _missing_libraries() -> list[str]:
    """The names of the libraries that TensorFlow looks for and does not find.

    It tells them in its log only, which this process has closed; another one lists the GPUs again with the log open.
    """
    log = {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_VMODULE": "dso_loader=1"}
    lines = subprocess.run(
        [sys.executable, "-c", _LIST_GPUS], env=os.environ | log, capture_output=True, text=True, check=False
    ).stderr
    names = dict.fromkeys(re.findall(r"Could not load dynamic library '([^']+)'", lines))
    return [name for name in names if not name.startswith(_TENSORRT)]


# ---- TensorFlow's sessions ----


def arithmetic() -> str:
    """What this process computes with: "CPU", or "GPU, TF32" or "GPU, float32".

    TF32 is float32 with 10 bits behind the point in products, which today's GPUs take unless they are told otherwise.
    """
    import tensorflow as tf

    if not gpu_computes():
        return "CPU"
    return f"GPU, {'TF32' if tf.config.experimental.tensor_float_32_execution_enabled() else 'float32'}"


@cache
def prepare_eager_context() -> None:
    """Give TensorFlow's eager context, which takes the GPUs for itself, the GPU options of `session_config`.

    Compiling a function starts this context, before there is a session. What takes a GPU first decides for the whole
    process how: without this it would be all of its memory, and a second process could not use it.
    """
    os.environ.setdefault(_GROWTH, "true")
    if (logical := logical_gpus()) and gpu_computes():
        import tensorflow as tf

        part = tf.config.LogicalDeviceConfiguration(memory_limit=LOGICAL_GPU_MB)
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("GPU")[0], [part] * logical)


def session_config() -> "tf.compat.v1.ConfigProto":
    """The options of every session; a new object, which may be changed.

    All sessions have the same, because the first one of a process starts the threads that all of them use. Their number
    is that of the cores, unless TF_NUM_INTRAOP_THREADS or TF_NUM_INTEROP_THREADS says otherwise. GPU memory is taken as
    it is needed, so that several processes may share a GPU. With TIENET_LOGICAL_GPUS a GPU is divided.
    """
    import tensorflow as tf

    config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    config.gpu_options.allow_growth = True
    if (logical := logical_gpus()) and gpu_computes():
        config.gpu_options.experimental.virtual_devices.add(memory_limit_mb=[LOGICAL_GPU_MB] * logical)
    if "TF_NUM_INTRAOP_THREADS" not in os.environ:
        config.intra_op_parallelism_threads = cpu.usable_cores()
    if "TF_NUM_INTEROP_THREADS" not in os.environ:
        config.inter_op_parallelism_threads = cpu.usable_cores()
    return config
