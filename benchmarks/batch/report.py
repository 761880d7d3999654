"""Prints a table of the results: ``python -m benchmarks.batch.report RESULTS...``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Row = dict[str, Any]
    Results = Mapping[tuple[str, str], Row]
    Cell = Callable[[Results], str | None]

_BATCH = ("compare", "batch")
_LARGE = ("large", "batch_unchanged")
_UNCHANGED = ("unchanged", "batch_unchanged")
_BASE = ("base", "base")
_KIBIBYTE = 1024
_MEGABYTE = 1_000_000


def _cpu(way: str) -> Cell:
    def cell(results: Results) -> str | None:
        mapped, batch = results.get(("compare", way)), results.get(_BATCH)
        if mapped is None or batch is None or mapped["texts"] != batch["texts"]:
            return None
        above, whole = ((mapped[name], batch[name]) for name in ("cpu_seconds_above_idle", "cpu_seconds"))
        return (
            f"**{above[0] / above[1]:.0f}** ({above[0]:,.0f} / {above[1]:,.1f} CPU s for {batch['texts']:,} "
            "texts, without Airflow's idle CPU); "
            f"{whole[0] / whole[1]:.0f} with it ({whole[0]:,.0f} / {whole[1]:,.0f} CPU s)"
        )

    return cell


def _seconds(key: tuple[str, str]) -> Cell:
    def cell(results: Results) -> str | None:
        row = results.get(key)
        return None if row is None else f"**{row['seconds']:,.0f} s** for {row['texts']:,} texts"

    return cell


def _over_least(key: tuple[str, str]) -> Cell:
    def cell(results: Results) -> str | None:
        row = results.get(key)
        if row is None:
            return None
        seconds, least = row["seconds"], row["least_seconds"]
        return f"**{seconds / least:.2f}** ({seconds:,.0f} / {least:,.0f} s)"

    return cell


def _counts(key: tuple[str, str]) -> Cell:
    def cell(results: Results) -> str | None:
        row = results.get(key)
        if row is None:
            return None
        return f"**{row['lost']}, {row['failed']}, {row['started_again']}** of {row['texts']:,}"

    return cell


def _rate(results: Results) -> str | None:
    row = results.get(_LARGE)
    return None if row is None else f"{row['starts_per_second']:g}"


def _memory(results: Results) -> str | None:
    row, base = results.get(_LARGE), results.get(_BASE)
    if row is None or base is None:
        return None
    peak, least = max(row["worker_peaks_mib"]), max(base["worker_peaks_mib"])
    return f"**{peak - least:.0f} MiB** ({peak:.0f} − {least:.0f} MiB)"  # noqa: RUF001 - a minus sign


def _sizes(results: Results) -> str | None:
    row = results.get(_LARGE)
    if row is None:
        return None
    stored = [row["bytes"].get(name) for name in ("trigger row", "event", "xcom")]
    return ", ".join("none" if size is None else f"**{size / _KIBIBYTE:.1f} KiB**" for size in stored)


def _manifest(results: Results) -> str | None:
    row = results.get(_LARGE)
    return None if row is None else f"**{row['manifest_bytes'] / _MEGABYTE:.1f} MB**"


def _requests(key: tuple[str, str]) -> Cell:
    def cell(results: Results) -> str | None:
        row = results.get(key)
        if row is None:
            return None
        calls = {operation: sum(outcomes.values()) for operation, outcomes in sorted(row["calls"].items())}
        named = ", ".join(f"{operation} {number:,}" for operation, number in calls.items())
        return f"**{sum(calls.values()):,}**" + (f" ({named})" if named else "")

    return cell


MEASURES: list[tuple[str, str, Cell]] = [
    ("CPU, mapped with `deferrable=True` / batch", "≥ 60", _cpu("mapped_deferrable")),
    ("CPU, mapped with `end_from_trigger=True` / batch", "≥ 30", _cpu("mapped_end_from_trigger")),
    ("time, mapped with `deferrable=True`", "", _seconds(("compare", "mapped_deferrable"))),
    ("time, mapped with `end_from_trigger=True`", "", _seconds(("compare", "mapped_end_from_trigger"))),
    ("time, batch", "", _seconds(_BATCH)),
    ("the same / starts at the quota and one synthesis", "≤ 1.3", _over_least(_BATCH)),
    ("large batch: starts per second", "", _rate),
    ("the same: lost, failed, started again", "0", _counts(_LARGE)),
    ("the same: time / starts at this rate and one synthesis", "", _over_least(_LARGE)),
    ("the same: peak memory of a worker above one that does nothing", "≤ 150 MB", _memory),
    ("the same: trigger row, event, largest XCom", "≤ 64 KiB", _sizes),
    ("the same: manifest uploaded", "≤ 100 MB", _manifest),
    ("the same: Polly requests", "", _requests(_LARGE)),
    ("the same batch, unchanged: time", "≤ 120 s", _seconds(_UNCHANGED)),
    ("the same batch, unchanged: Polly requests", "0", _requests(_UNCHANGED)),
]


def table(results: Results) -> str:
    """Return the table of the results in Markdown."""
    lines = ["| measure | target | measured |", "| --- | --- | --- |"]
    for what, aim, measure in MEASURES:
        if (seen := measure(results)) is not None:
            lines.append(f"| {what} | {aim} | {seen} |")
    return "\n".join(lines)


def read(paths: Iterable[Path]) -> Results:
    """Read result files of the benchmark. If a measurement was repeated, the last one counts."""
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return {(row["part"], row["way"]): row for row in rows}


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch.report", description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    print(table(read(parser.parse_args().results)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
