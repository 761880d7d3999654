"""Measures the results in the fault table: ``python -m benchmarks.faults --help``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.faults import catalogue
from benchmarks.faults.table import running_table

if TYPE_CHECKING:
    from benchmarks.faults.runs import Result

KINDS = "single: faults that affect one run, with one run per lane; shared: faults that affect all runs"


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--database-url", help="SQLAlchemy URL of an empty PostgreSQL database")
    parser.add_argument(
        "--out", type=Path, required=True, help="file for the results, one JSON object per line"
    )
    parser.add_argument(
        "--modes", default=",".join((*catalogue.ALL, *catalogue.WITH_OUTPUT_KEY)), help="comma-separated"
    )
    parser.add_argument(
        "--only",
        action="append",
        help="part of a fault's name: test only faults whose names contain it; can be repeated",
    )
    parser.add_argument("--kind", choices=("single", "shared"), default="single", help=KINDS)
    parser.add_argument(
        "--lanes", type=int, default=5, help="number of simultaneous runs (default: %(default)s)"
    )
    parser.add_argument("--parallelism", type=int, default=24, help="number of simultaneous Airflow tasks")
    given = parser.parse_args()
    modes = given.modes.split(",")

    def is_chosen(fault: catalogue.Fault) -> bool:
        return not given.only or any(part in fault.name for part in given.only)

    def note(result: Result) -> None:
        with given.out.open("a") as file:
            file.write(json.dumps(result.as_dict()) + "\n")
        print(result.line(), flush=True)

    with (
        tempfile.TemporaryDirectory(prefix="polly-faults-") as folder,
        running_table(
            Path(folder),
            lanes=given.lanes,
            parallelism=given.parallelism,
            database_url=given.database_url,
            scheduler_dead_after=300 if given.kind == "single" else 30,
            on_result=note,
        ) as table,
    ):
        if given.kind == "single":
            table.single(
                [
                    (fault, mode)
                    for mode in modes
                    for fault in catalogue.SINGLE_FAULTS
                    if mode in fault.modes and is_chosen(fault)
                ]
            )
        else:
            for fault in catalogue.SHARED_FAULTS:
                some = [mode for mode in modes if mode in fault.modes]
                possible = given.database_url or fault.event != "database"
                if some and possible and is_chosen(fault):
                    table.shared(fault, some)
    return 0


if __name__ == "__main__":
    sys.exit(main())
