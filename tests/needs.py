"""Skipping where a package or a program is missing, and failing there in continuous integration."""

import os
from importlib.util import find_spec

import pytest


def need(there: bool, what: str) -> None:
    """Skip a test for which something is missing; in continuous integration it fails."""
    if not there:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs {what}")


def need_pyarrow() -> None:
    need(find_spec("pyarrow") is not None, "pyarrow: pip install -e '.[parquet]'")


def need_highdicom() -> None:
    need(find_spec("highdicom") is not None, "highdicom: pip install -e '.[clinical]'")


def need_fhir_resources() -> None:
    need(find_spec("fhir") is not None, "fhir.resources: pip install -e '.[clinical]'")
