"""Prints a table of the results: ``python -m benchmarks.waiting.report RESULTS...``."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Row = dict[str, Any]
    Measure = tuple[str, str, Callable[["Results"], str | None]]

_BURST = "1,000 waits of 40 s"


class Results:
    """The results by scenario and way.

    :param rows: results that the benchmark wrote
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = list(rows)

    def of(self, scenario: str, way: str) -> list[Row]:
        """Return the rows of a scenario for one way to wait."""
        return [row for row in self._rows if (row["scenario"], row["way"]) == (scenario, way)]

    def median(self, scenario: str, way: str, name: str) -> float | None:
        """Return the median of a value, or None if it was not measured."""
        values = [row[name] for row in self.of(scenario, way) if row.get(name) is not None]
        return statistics.median(values) if values else None


def _ratio(name: str, unit: str) -> Callable[[Results], str | None]:
    def cell(results: Results) -> str | None:
        ours = results.median(_BURST, "way_ours", name)
        theirs = results.median(_BURST, "way_aws_waiter", name)
        if ours is None or theirs is None:
            return None
        return f"**{theirs / ours:.0f}** ({theirs:,.1f} / {ours:,.1f}{unit}, medians of {_times(results)})"

    return cell


def _times(results: Results) -> str:
    ours, theirs = len(results.of(_BURST, "way_ours")), len(results.of(_BURST, "way_aws_waiter"))
    return f"{theirs}" if ours == theirs else f"{theirs} and {ours}"


def _stalls(scenario: str, way: str) -> Callable[[Results], str | None]:
    def cell(results: Results) -> str | None:
        start, later, start_own, later_own = (
            results.median(scenario, way, f"stall_{name}")
            for name in ("start", "later", "start_own", "later_own")
        )
        if start is None:
            return None
        return (
            f"**{later:.2f} s**, {start:.2f} s in the first 5 s; of which the loop's own CPU time is "
            f"{later_own:.2f} s and {start_own:.2f} s"
        )

    return cell


def _lost(scenario: str) -> Callable[[Results], str | None]:
    def cell(results: Results) -> str | None:
        rows = results.of(scenario, "way_ours")
        return ", ".join(f"**{row['lost']}** of {row['waits']:,}" for row in rows) or None

    return cell


def _throttled(scenario: str) -> Callable[[Results], str | None]:
    def cell(results: Results) -> str | None:
        rows = results.of(scenario, "way_ours")
        shares = [
            f"**{row['throttled'] / row['requests']:.2%}** of {row['requests']:,} requests" for row in rows
        ]
        return ", ".join(shares) or None

    return cell


def _delays(scenario: str) -> Callable[[Results], str | None]:
    def cell(results: Results) -> str | None:
        rows = results.of(scenario, "way_ours")
        shares = [
            f"**{row['delay_p50']:.1f} s**, **{row['delay_p95']:.1f} s**, the last {row['delay_p100']:.1f} s"
            for row in rows
        ]
        return ", ".join(shares) or None

    return cell


def _stack(way: str, other: str) -> Callable[[Results], str | None]:
    def cell(results: Results) -> str | None:
        rows = [results.of("real stack", name) for name in (way, other)]
        if not all(rows):
            return None
        cheap, dear = (of_one[-1] for of_one in rows)
        whole, above = (
            (dear[name] / dear["waits"]) / (cheap[name] / cheap["waits"])
            for name in ("cpu_seconds", "cpu_seconds_above_idle")
        )
        return (
            f"**{whole:.1f} times** per wait ({dear['cpu_seconds']:.0f} CPU s for {dear['waits']} waits, "
            f"{cheap['cpu_seconds']:.0f} CPU s for {cheap['waits']}); {above:.1f} times without "
            f"Airflow's idle CPU"
        )

    return cell


def _workers(way: str) -> Callable[[Results], str | None]:
    def cell(results: Results) -> str | None:
        rows = results.of("real stack", way)
        return (
            ", ".join(
                f"**{row['worker_processes']}** for {row['waits']} waits, {row['lost']} lost" for row in rows
            )
            or None
        )

    return cell


def _import(results: Results) -> str | None:
    ours, theirs = (results.median("import", "both", name) for name in ("ours", "comprehend"))
    if ours is None or theirs is None:
        return None
    return f"**{ours / theirs:.2f}** ({ours:.2f} / {theirs:.2f} CPU s)"


def _long(scenario: str, what: str, delays: str, throttled: str) -> list[Measure]:
    return [
        (f"{what}: lost or failed", "0", _lost(scenario)),
        ("the same: throttled", throttled, _throttled(scenario)),
        ("the same: detection delay, p50 and p95", delays, _delays(scenario)),
        ("the same: longest stall of the event loop", "", _stalls(scenario, "way_ours")),
    ]


MEASURES: list[Measure] = [
    (
        "1,000 waits of 40 s, interval of 2 s, no quota: CPU, amazon provider / this package",
        "≥ 40",
        _ratio("cpu_seconds", " s"),
    ),
    ("the same: growth of resident memory", "≥ 40", _ratio("rss_growth_mib", " MiB")),
    ("the same: requests", "≥ 60", _ratio("requests", "")),
    ("the same: longest stall of the event loop, this package", "≤ 0.25 s", _stalls(_BURST, "way_ours")),
    ("the same: longest stall, amazon provider", "", _stalls(_BURST, "way_aws_waiter")),
    *_long("10,000 waits", "10,000 waits that end within 10 min, with quotas", "≤ 15 s, ≤ 30 s", "≤ 1 %"),
    *_long("10,000 waits, newest first", "the same, lists newest first", "≤ 15 s, ≤ 30 s", "≤ 1 %"),
    *_long("10,000 waits ending at once", "10,000 waits that end at the same time, with quotas", "", ""),
    *_long(
        "huge account, oldest first",
        "2,000 waits among 100,000 other synthesis tasks, oldest first",
        "p95 ≤ 60 s",
        "",
    ),
    *_long(
        "huge account, newest first",
        "2,000 waits among 100,000 other synthesis tasks, newest first",
        "p95 ≤ 60 s",
        "",
    ),
    *_long("two triggerers", "2,000 waits in two triggerers, with quotas", "", "≤ 5 %"),
    ("real Airflow: CPU, deferrable / without a worker", "≥ 5", _stack("start_from_trigger", "deferrable")),
    ("the same: worker processes, without a worker", "0", _workers("start_from_trigger")),
    ("the same: worker processes, deferrable", "", _workers("deferrable")),
    (
        "real Airflow: CPU, reschedule with boto3 / without a worker",
        "",
        _stack("start_from_trigger", "reschedule"),
    ),
    ("real Airflow: CPU, reschedule with boto3 / deferrable", "", _stack("deferrable", "reschedule")),
    ("the same: worker processes, reschedule", "", _workers("reschedule")),
    ("import of a DAG file, this package / the amazon provider's Comprehend", "≤ 1.1", _import),
]


def table(results: Results) -> str:
    """Return the table of the results in Markdown."""
    lines = ["| measure | target | measured |", "| --- | --- | --- |"]
    for what, aim, measure in MEASURES:
        if seen := measure(results):
            lines.append(f"| {what} | {aim} | {seen} |")
    return "\n".join(lines)


def read(paths: Iterable[Path]) -> Results:
    """Read result files of the benchmark."""
    return Results(json.loads(line) for path in paths for line in path.read_text().splitlines())


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting.report", description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    print(table(read(parser.parse_args().results)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
