"""Fixtures that several tests share, and how the tests are run: in one process more than there are cores."""

import faulthandler
import gc
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from tests.made_once import PhantomRuns, made_once

ROOT = Path(__file__).resolve().parents[1]
XLA_BY_DEFAULT = {"XLA_FLAGS": "", "TF_XLA_FLAGS": ""}
"""The environment in which XLA compiles as it does for users, not as `pytest_configure` sets it."""
MAX_WORKERS = 4  # Each of them loads TensorFlow, which takes about 1.5 GB of memory.

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads than cores wait for each other by computing
faulthandler.register(signal.SIGALRM)  # a stray alarm shows where it comes from; it would end the tests without a word


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Without -n, run whole folders of tests in several processes (pytest-xdist), and single files in this process.

    There is one more than there are cores, because tests wait for other processes, for signals and for the browser.
    This is not done by `addopts`, because -p no:xdist, --pdb and -s would not work beside it.
    """
    option = config.option
    if hasattr(config, "workerinput") or not config.pluginmanager.hasplugin("xdist"):
        return
    if option.numprocesses is not None or option.dist != "no":
        return  # the user has chosen
    if option.usepdb or option.trace or option.collectonly or option.capture == "no":
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores > 1 and any(Path(argument.partition("::")[0]).is_dir() for argument in config.args):
        option.numprocesses, option.dist = min(cores + 1, MAX_WORKERS), "worksteal"


def pytest_configure(config: pytest.Config) -> None:
    """Let all processes of these tests be stopped by Ctrl-C, and compile quickly.

    A shell starts what runs in the background with Ctrl-C ignored, and the programs that are tested would inherit that.

    XLA's compilation of the attention LSTM, anew in each session, took a third of the time of all tests. Now they share
    what was compiled, in a temporary folder that is empty at the start, and XLA does not optimize the machine code.
    The tests that run in a process of their own with XLA_BY_DEFAULT see that this changes no result.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput") or XLA_BY_DEFAULT.keys() & os.environ.keys():
        return
    folder = tempfile.TemporaryDirectory(prefix="tienet-tests-xla-")
    config.add_cleanup(folder.cleanup)
    os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={folder.name}"
    os.environ["TIENET_XLA_CACHE"] = "off"  # nothing is written to the user's folder
    os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking through all modules, and often, while graphs are built."""
    if "tensorflow" in sys.modules:
        run_graphs_as_built()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def run_graphs_as_built() -> None:
    """Let every session of this process leave out TensorFlow's rewriting of graphs (Grappler).

    It looks through the whole graph again for every new list of fetches, which took up to half of the time of a test,
    and gains nothing in graphs that run a few times. Processes that the tests start rewrite graphs, as those of users.
    """
    from tensorflow.compat.v1 import ConfigProto, Session

    start = Session.__init__

    def start_plainly(self, target="", graph=None, config=None) -> None:
        config = ConfigProto.FromString(config.SerializeToString() if config else b"")
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        start(self, target, graph, config)

    Session.__init__ = start_plainly


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights beside the checkout; tests that need it skip where it is missing."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared with the real data and weights")
    return folder


@pytest.fixture(scope="session")
def common_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder that all processes of these tests have in common."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if hasattr(request.config, "workerinput") else folder


@pytest.fixture(scope="session")
def data_root(common_folder: Path) -> Path:
    """A data root with a small phantom data set and its vocabulary."""
    return made_once(common_folder / "data", make_phantom)


def make_phantom(root: Path) -> None:
    from tienet.commands.main import dispatch

    phantom = ["--out", str(root / "phantom"), "--studies", "80", "--image-px", "256"]
    assert dispatch(["prepare", "phantom", *phantom]) == 0
    assert dispatch(["vocabulary", "--data-root", str(root), "--data", "phantom", "--dim", "12"]) == 0


@pytest.fixture(scope="session")
def runs(data_root: Path, common_folder: Path) -> PhantomRuns:
    """Mode -> the folder of a small run that reads 30 words of a report; tests change copies only."""
    return PhantomRuns(data_root, common_folder)


@pytest.fixture(scope="session")
def seeds(runs: PhantomRuns, data_root: Path, common_folder: Path) -> list[Path]:
    """Two runs of annotate-text, as of two seeds; the second one reads no more than 10 words of a report."""
    first = runs["annotate-text"]

    def make(folder: Path) -> None:
        from tests.small_run import another_seed  # only here, because it imports TensorFlow

        another_seed(first, data_root, folder, max_words=10)

    return [first, made_once(common_folder / "run-another-seed", make)]


@pytest.fixture(scope="session")
def reader():
    """A reader of DICOM files that all tests share; a test that ends the process of a reader starts its own."""
    from tienet.data.dicom.reader import Reader

    with Reader() as reader:
        yield reader


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; tests that need it skip where it is missing, and fail there in continuous integration."""
    missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    try:
        from playwright import sync_api
    except ImportError:
        missing("needs playwright: pip install playwright")
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    if not found:
        missing("needs chromium, chromium-browser or google-chrome on the PATH")
    with sync_api.sync_playwright() as playwright:
        # --no-sandbox: Chromium refuses to start as root without it; the pages are our own.
        started = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def drawn(monkeypatch) -> list:
    """Matplotlib's figures that are written, after they were laid out; an empty file stands for each."""
    from matplotlib.figure import Figure  # only here, because most tests draw nothing

    figures = []

    def keep(figure, path, **_):
        figure.canvas.draw()
        figures.append(figure)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures
