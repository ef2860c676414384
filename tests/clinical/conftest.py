"""What the tests of documents need: packages of the extra [clinical], and programs that check DICOM."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import needs


@pytest.fixture(scope="session")
def highdicom() -> None:
    needs.need_highdicom()


@pytest.fixture(scope="session")
def fhir_resources() -> None:
    needs.need_fhir_resources()


@pytest.fixture(scope="session")
def errors_of(highdicom) -> Callable[[Path], list[str]]:
    """The errors that dciodvfy finds in a DICOM file."""
    needs.need(shutil.which("dciodvfy") is not None, "dciodvfy: apt-get install dicom3tools")

    def errors(path: Path) -> list[str]:
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace").stderr
        assert "ComprehensiveSR" in said, said  # it has seen which object it is
        return [line for line in said.splitlines() if line.startswith("Error")]

    return errors


@pytest.fixture(scope="session")
def dump_of(highdicom) -> Callable[[Path], str]:
    """What dcmtk shows of a structured report."""
    needs.need(shutil.which("dsrdump") is not None, "dsrdump: apt-get install dcmtk")

    def dump(path: Path) -> str:
        done = subprocess.run(["dsrdump", "+Pl", "+Pc", path], capture_output=True, text=True, check=True)
        return done.stdout

    return dump
