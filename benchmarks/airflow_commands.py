"""The CPU time that the package adds to every `airflow` command: ``make bench-commands``.

The benchmark measures the user CPU time of `airflow` commands, alternately in an environment with the package
and in the same environment without it. On a shared machine, this time varies from run to run by more than
the package adds. The only code of the package that a command runs is its imports. Therefore, the last line
shows the CPU time of the imports.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from benchmarks.waiting.processes import ROOT, environment

if TYPE_CHECKING:
    from pathlib import Path

_COMMAND_SECONDS = 120
_IMPORTS = """
import time
import airflow.plugins_manager, airflow.providers_manager
began = time.process_time()
from airflow_polly_provider.get_provider_info import get_provider_info
get_provider_info()
import airflow_polly_provider.plugin
print(time.process_time() - began)
"""


def run(python: Path, arguments: list[str], home: str) -> str:
    """Run Python, and return its output."""
    done = subprocess.run(
        [python, *arguments],
        env=environment("{}") | {"AIRFLOW_HOME": home, "PYTHONPATH": ""},
        cwd=home,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=_COMMAND_SECONDS,
    )
    return done.stdout


def user_seconds(python: Path, command: list[str], home: str) -> float:
    """Run an `airflow` command, and return its user CPU time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run(python, ["-m", "airflow", *command], home)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.airflow_commands", description=__doc__)
    parser.add_argument(
        "--times", type=int, default=10, help="number of runs of each command (default: %(default)s)"
    )
    given = parser.parse_args()
    pythons = {name: ROOT / f".venv-{name}" / "bin" / "python" for name in ("with", "without")}
    print("| command | with the package | without | added |\n| --- | --- | --- | --- |")
    for command in (["version"], ["dags", "list"], ["plugins"]):
        spent: dict[str, list[float]] = {name: [] for name in pythons}
        with tempfile.TemporaryDirectory(prefix="polly-commands-") as home:
            if command == ["dags", "list"]:  # it reads the database
                run(pythons["without"], ["-m", "airflow", "db", "migrate"], home)
            # The first round does not count, because it writes byte code and Airflow's configuration.
            for _ in range(given.times + 1):
                for name, python in pythons.items():
                    spent[name].append(user_seconds(python, command, home))
        medians = {name: statistics.median(seconds[1:]) for name, seconds in spent.items()}
        added = 1000 * (medians["with"] - medians["without"])
        cells = (f"{medians['with']:.2f} s", f"{medians['without']:.2f} s", f"{added:.0f} ms")
        print(f"| `airflow {' '.join(command)}` | {' | '.join(cells)} |", flush=True)
    with tempfile.TemporaryDirectory(prefix="polly-commands-") as home:
        imports = [
            float(run(pythons["with"], ["-c", _IMPORTS], home).split()[-1]) for _ in range(given.times + 1)
        ]
    print(f"| only the package's imports | | | {1000 * statistics.median(imports[1:]):.0f} ms |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
