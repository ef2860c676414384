"""The process that reads DICOM: what ends it, and what it may use."""

import os
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import psutil
import pytest
from pydicom import uid

from tests.conftest import ROOT
from tests.data.dicom.dicom_files import RAMP, dataset, save
from tienet.data.dicom.reader import DicomError, Reader, read_dicom
from tienet.data.dicom.worker import MAX_MEMORY_BYTES


def test_a_process_that_dies_gives_one_line_and_the_next_file_is_read(tmp_path):
    path = save(tmp_path / "x.dcm", dataset())
    with Reader() as reader:
        reader.read(path)
        first = reader._process
        os.kill(first.pid, signal.SIGSTOP)
        os.kill(first.pid, signal.SIGSEGV)
        os.kill(first.pid, signal.SIGCONT)
        with pytest.raises(DicomError, match=r"x\.dcm: the decoder stopped on it \(SIGSEGV\)"):
            reader.read(path)
        assert reader.read(path).pixels.shape == RAMP.shape and reader._process.pid != first.pid


def test_a_file_that_takes_too_long(tmp_path):
    big = dataset(np.zeros((3000, 3000), np.uint16))
    big.compress(uid.RLELossless, generate_instance_uid=False)
    path = save(tmp_path / "x.dcm", big)
    with Reader(seconds=0.001) as reader, pytest.raises(DicomError, match="decoding took more than"):
        reader.read(path)


def test_a_deflate_bomb(tmp_path):
    path = save(tmp_path / "x.dcm", dataset(syntax=uid.DeflatedExplicitVRLittleEndian))
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")  # the end of the meta header
    million = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = tmp_path / "bomb.dcm"
    bomb.write_bytes(content[:start] + 500 * million + packer.flush())
    with Reader() as reader:
        reader.read(path)
        process = psutil.Process(reader._process.pid)
        assert process.rlimit(psutil.RLIMIT_AS) == (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES)
        less = process.memory_info().vms + (300 << 20)  # a smaller limit, because filling all of the 2 GB takes long
        process.rlimit(psutil.RLIMIT_AS, (less, less))
        began = time.monotonic()
        with pytest.raises(DicomError, match="more than 2 GB of memory"):
            reader.read(bomb)
        assert time.monotonic() - began < 30
        assert reader.read(path).pixels.shape == RAMP.shape and reader._process.pid == process.pid


def test_the_process_imports_neither_tensorflow_nor_the_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\nimport sys\nfrom tienet.data.dicom.reader import Reader\n"
        "reader = Reader()\nprint(reader.read(sys.argv[1]).pixels.shape)\n"
        "maps = open(f'/proc/{reader._process.pid}/maps').read()\n"
        "print('tensorflow' in maps, 'pydicom' in sys.modules)\n"
    )
    path = save(tmp_path / "x.dcm", dataset())
    done = subprocess.run(
        [sys.executable, str(script), str(path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:3] == ["once", "(40, 30)", "False False"] and done.stderr == ""


def test_the_default_reader_survives_a_fork(tmp_path):
    path = save(tmp_path / "x.dcm", dataset())
    read_dicom(path)
    child = os.fork()
    if not child:
        os._exit(0 if read_dicom(path).pixels.shape == RAMP.shape else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert read_dicom(path).pixels.shape == RAMP.shape


def test_more_than_20_files_a_second(reader, tmp_path):
    path = save(tmp_path / "x.dcm", dataset(np.tile(RAMP, (25, 30))))  # 1000 x 900
    reader.read(path)
    began = time.process_time()
    wall = time.monotonic()
    for _ in range(20):
        reader.read(path)
    assert time.process_time() - began < 1
    assert time.monotonic() - wall < 4  # about 0.4 s on an idle machine
