"""The pool of threads that have a DICOM reader each."""

import threading

import psutil
import pytest

from tests.data.dicom.dicom_files import RAMP, dataset, save
from tienet.data.dicom.pool import ReaderPool


def test_results_come_in_order_and_each_call_has_a_reader_to_itself(tmp_path):
    paths = [save(tmp_path / f"{n}.dcm", dataset(RAMP[: n + 1], SOPInstanceUID=f"1.2.{n}")) for n in range(8)]
    in_use, both = set(), threading.Barrier(2)

    def work(reader, path):
        assert reader not in in_use
        in_use.add(reader)
        if path in paths[:2]:
            both.wait(timeout=60)  # two calls at the same time
        dicom = reader.read(path)
        in_use.remove(reader)
        return dicom.sop_uid, dicom.pixels.shape

    with ReaderPool(2) as pool:
        assert pool.map(work, paths, "files") == [(f"1.2.{n}", (n + 1, 30)) for n in range(8)]


def test_leaving_ends_the_processes_and_drops_the_rest(tmp_path):
    path = save(tmp_path / "x.dcm", dataset())
    before = {child.pid for child in psutil.Process().children()}
    begun = []

    def work(reader, number):
        begun.append(number)
        reader.read(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ReaderPool(1) as pool:
        pool.map(work, range(500), "files")
    assert len(begun) < 500
    assert {child.pid for child in psutil.Process().children()} <= before
