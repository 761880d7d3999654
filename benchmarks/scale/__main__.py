"""Measures the time and CPU use of many texts on several machines: ``python -m benchmarks.scale --help``.

The command prints the results and writes them to a file, one JSON object per line. It needs the environment
of ``make test-celery``, and PostgreSQL and Redis servers. To use servers on other machines, set POSTGRESQL
and REDIS.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.scale import machines
from benchmarks.waiting.processes import BUILD, ROOT, environment

_SLOTS = (10, 20, 30, 50, 100, 200)
_PROCESS_SECONDS = 2.0
_THROTTLING_SECONDS = 900


def throttling(slots: int, texts: int) -> dict[str, Any]:
    """Measure in a new process without the caller's settings for Airflow and AWS."""
    arguments = [str(slots), str(texts), str(_PROCESS_SECONDS)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale.throttling", *arguments],
        env=environment("{}"),
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=_THROTTLING_SECONDS,
    )
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=BUILD / "bench-scale.jsonl", help="(default: %(default)s)"
    )
    parser.add_argument("--parts", default="throttling,celery,lost", help="(default: %(default)s)")
    parser.add_argument("--texts", type=int, default=200, help="(default: %(default)s)")
    given = parser.parse_args()
    parts = given.parts.split(",")
    given.out.parent.mkdir(parents=True, exist_ok=True)

    def note(result: dict[str, Any]) -> None:
        line = json.dumps(result)
        with given.out.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)

    if "throttling" in parts:
        for slots in _SLOTS:
            note(throttling(slots, given.texts))
    if "celery" in parts:
        for result in machines.measure(given.texts, lose_machines="lost" in parts):
            note(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
