"""Compares the CPU time and memory of waiting in several ways: ``python -m benchmarks.waiting --help``.

Appends the results to a file, one JSON object per line, and prints a table of all results in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.waiting import environments, import_time, report
from benchmarks.waiting.processes import BUILD, OURS, ROOT
from benchmarks.waiting.scenarios import BURST, LONG, run

_PARTS = ("burst", "long", "stack", "import")
_POSTGRESQL = "postgresql+psycopg2://postgres@127.0.0.1:5432"
_STACK_SECONDS = 5400


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=BUILD / "bench-waiting.jsonl", help="(default: %(default)s)"
    )
    parser.add_argument("--parts", default=",".join(_PARTS), help="comma-separated (default: %(default)s)")
    parser.add_argument(
        "--only", default="", help="part of a long scenario's name: run only scenarios whose names contain it"
    )
    parser.add_argument(
        "--times",
        type=int,
        default=5,
        help="number of repetitions of short measurements (default: %(default)s)",
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=6,
        help="number of long scenarios that run in parallel, each with an emulator (default: %(default)s)",
    )
    parser.add_argument(
        "--postgresql",
        default=os.environ.get("POSTGRESQL", _POSTGRESQL),
        help="SQLAlchemy URL of a server on which a database can be created (default: %(default)s)",
    )
    given = parser.parse_args()
    parts = given.parts.split(",")
    given.out.parent.mkdir(parents=True, exist_ok=True)

    def note(result: dict[str, Any]) -> None:
        with given.out.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print({name: value for name, value in result.items() if name != "errors" or value}, flush=True)

    if "import" in parts:
        note(import_time.measure(3 * given.times))
    if "burst" in parts:
        aws_waiter = environments.aws_waiter()
        for _ in range(given.times):
            for way in (OURS, aws_waiter):
                note(run(BURST, way))
    if "long" in parts:
        chosen = [scenario for scenario in LONG if given.only in scenario.name]
        with ThreadPoolExecutor(given.at_once) as lanes:
            for result in lanes.map(lambda scenario: run(scenario, OURS), chosen):
                note(result)
    if "stack" in parts:
        subprocess.run(
            [
                *(environments.with_postgresql(), "-m", "benchmarks.waiting.stack"),
                *("--postgresql", given.postgresql, "--out", str(given.out.resolve())),
            ],
            cwd=ROOT,
            check=True,
            timeout=_STACK_SECONDS,
        )
    print(f"\n{report.table(report.read([given.out]))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
