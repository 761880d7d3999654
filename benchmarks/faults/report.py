"""Prints results in Markdown: ``python -m benchmarks.faults.report results.jsonl …``."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.faults import catalogue

COLUMNS = {
    catalogue.DEFERRABLE: "deferrable",
    catalogue.IN_WORKER: "in the worker",
    catalogue.NOT_WAITING: "not waiting",
    catalogue.MAPPED: f"mapped over {catalogue.MAPPED_OVER}",
    catalogue.PLAIN: "plain boto3",
    catalogue.BATCH: f"batch of {catalogue.BATCH_OF}",
    catalogue.BATCH_IN_WORKER: f"batch of {catalogue.BATCH_OF} in the worker",
    catalogue.BATCH_NAMED: f"batch of {catalogue.BATCH_OF}, output_s3_key",
    catalogue.NAMED: "deferrable",
    catalogue.NAMED_IN_WORKER: "in the worker",
}
FAULTS = [fault.name for fault in (*catalogue.SINGLE_FAULTS, *catalogue.SHARED_FAULTS)]
Row = dict[str, Any]


def cell(rows: list[Row]) -> str:
    """Return a table cell with the numbers of synthesis tasks, Airflow tasks and failed runs."""
    if not rows:
        return "-"
    made = sum(row["synthesis_tasks"] for row in rows)
    wanted = sum(row["texts"] for row in rows)
    failed = sum(row["state"] != "success" for row in rows)
    wrong = sum(row["state"] == "success" and not row["right_output_uris"] for row in rows)
    once = made == wanted and all(row["most_for_one_task"] == 1 for row in rows)
    text = f"{made} of {wanted}" if once else f"**{made} for {wanted}**"
    if failed:
        text += f", {f'{failed} of {len(rows)} runs ' if len(rows) > 1 else ''}failed"
    return text + (", **wrong OutputUri**" if wrong else "")


def table(rows: list[Row]) -> str:
    """Return the result table for one Airflow version."""
    cells: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        cells[row["fault"], row["mode"]].append(row)
    modes = [mode for mode in COLUMNS if any(row["mode"] == mode for row in rows)]
    lines = [
        "| fault | " + " | ".join(COLUMNS[mode] for mode in modes) + " |",
        "| --- |" + " --- |" * len(modes),
    ]
    for fault in FAULTS:
        if any(cells[fault, mode] for mode in modes):
            lines.append(f"| {fault} | " + " | ".join(cell(cells[fault, mode]) for mode in modes) + " |")
    return "\n".join(lines)


def sums(rows: list[Row]) -> str:
    """Return a table with the totals of the runs with the operator, and of the runs with plain boto3."""
    columns = (
        "Airflow tasks with a fault",
        "synthesis tasks",
        "billed characters",
        "exactly one synthesis task",
        "ended as expected",
    )
    lines = [f"| | {' | '.join(columns)} |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    rows = [row for row in rows if row["fault"] != catalogue.NO_FAULT]
    for name, some in (
        ("start operator", [row for row in rows if row["mode"] != catalogue.PLAIN]),
        ("plain boto3", [row for row in rows if row["mode"] == catalogue.PLAIN]),
    ):
        if some:
            tasks = sum(row["texts"] for row in some)
            once = sum(
                row["texts"]
                for row in some
                if row["synthesis_tasks"] == row["texts"] and row["most_for_one_task"] == 1
            )
            well = sum(row["texts"] for row in some if row["as_expected"])
            made = sum(row["synthesis_tasks"] for row in some)
            billed = sum(row["billed_characters"] for row in some)
            lines.append(f"| {name} | {tasks} | {made} | {billed} | {once} | {well} |")
    return "\n".join(lines)


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.report", description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="result files of python -m benchmarks.faults")
    given = parser.parse_args()
    rows: list[Row] = [json.loads(line) for path in given.results for line in path.read_text().splitlines()]
    for airflow in sorted({row["airflow"] for row in rows}, reverse=True):
        of_this = [row for row in rows if row["airflow"] == airflow]
        named = [row for row in of_this if row["mode"] in catalogue.WITH_OUTPUT_KEY]
        others = [row for row in of_this if row not in named]
        for heading, some in ((airflow, others), (f"{airflow}, output_s3_key", named)):
            if some:
                print(f"### Airflow {heading}\n\n{table(some)}\n\n{sums(some)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
