"""One case in a process of its own: `python -m benchmarks.case JSON` prints the result as JSON in its last line."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tienet import cli

ROOT = Path(__file__).resolve().parents[1]


class FailedError(Exception):
    """A case failed; the message is one line."""


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        name: The case's name, such as "step/report/T=64".
        function: "module:function" within `benchmarks`; the function returns a `measuring.Measured`.
        arguments: The function's keyword arguments, as JSON can hold them.
    """

    name: str
    function: str
    arguments: dict[str, object] = field(default_factory=dict)

    def run(self, temporary: Path) -> dict[str, object]:
        """Run the case in a new process, which puts its temporary files into this folder.

        Returns:
            The fields of `measuring.Measured`.
        Raises:
            FailedError: the process ended with an error or was killed.
        """
        command = [sys.executable, "-m", "benchmarks.case", json.dumps([self.function, self.arguments])]
        ended = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"TMPDIR": str(temporary)}, capture_output=True, text=True
        )
        if ended.returncode:
            lines = ended.stderr.strip().splitlines()
            reason = lines[-1] if lines else "no message"
            if ended.returncode < 0:
                reason = f"killed by signal {-ended.returncode}; too little memory?"
            raise FailedError(f"{self.name}: {reason}")
        return json.loads(ended.stdout.splitlines()[-1])


def measure(function: str, arguments: dict[str, object]) -> dict[str, object]:
    """Call the function in this process; returns the fields of its `Measured`."""
    module, _, name = function.partition(":")
    return dataclasses.asdict(getattr(importlib.import_module(f"benchmarks.{module}"), name)(**arguments))


def main() -> None:
    """Measure the case that the command line names as JSON, and print the result as JSON."""
    print(json.dumps(measure(*json.loads(sys.argv[1]))))


if __name__ == "__main__":
    cli.run(main)
