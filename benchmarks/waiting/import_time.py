"""Measures the CPU time of importing a DAG file; wall-clock time is useless on a busy machine."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.waiting.processes import ROOT, environment

_SECONDS = 120
_FILES = Path(__file__).parent / "imports"
# Import Airflow's own modules first, because the process that parses DAG files has already imported them.
_PROGRAM = """
import runpy, sys, time
import airflow.sdk
began = time.process_time()
runpy.run_path(sys.argv[1])
print(time.process_time() - began)
"""


def measure(times: int) -> dict[str, Any]:
    """Import both files alternately, each in a new process.

    :param times: number of measured rounds, after one unmeasured round that writes the byte code
    """
    env = environment("{}")
    spent: dict[str, list[float]] = {"ours": [], "comprehend": []}
    for _ in range(times + 1):
        for name, values in spent.items():
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, str(_FILES / f"{name}.py")],
                env=env,
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
            )
            values.append(float(done.stdout.split()[-1]))
    medians = {name: statistics.median(values[1:]) for name, values in spent.items()}
    return {"scenario": "import", "way": "both", **medians, "times": times}
