"""Compares one batch task with one mapped task for each text: ``python -m benchmarks.batch --help``.

Appends the results to a file, one JSON object per line, and prints a table of all results in the file. It
needs the environment of ``make test-celery``, which has drivers for PostgreSQL, and a PostgreSQL server. To
use a server on another machine, set POSTGRESQL.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.batch import report
from benchmarks.batch.world import world
from benchmarks.waiting.processes import BUILD
from scripts.stack.servers import POSTGRESQL
from scripts.stack.signals import terminable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.batch.world import World

_MAPPED = ("mapped_deferrable", "mapped_end_from_trigger")
_PARTS = ("mapped", "batch", "large", "unchanged")
_AWS_RATE = 10.0
_KEYS = "prompts/"


def compare(postgresql: str, parts: list[str], texts: int) -> Iterator[dict[str, Any]]:
    """Yield the measurements of mapped tasks and of a batch, with AWS's default quotas.

    :param postgresql: SQLAlchemy URL of a server on which a database can be created
    :param parts: parts to measure: mapped, batch
    :param texts: number of texts
    """
    ways = [*(_MAPPED if "mapped" in parts else ()), *(("batch",) if "batch" in parts else ())]
    if not ways:
        return
    with world(postgresql, _AWS_RATE) as airflow:
        airflow.prepare(ways)
        items = airflow.write_items("compared", texts)
        for way in ways:
            yield {"part": "compare", **airflow.measure(way, items)}


def large(postgresql: str, parts: list[str], texts: int, rate: float) -> Iterator[dict[str, Any]]:
    """Yield the measurements of a large batch, and of the same batch without changes.

    :param postgresql: SQLAlchemy URL of a server on which a database can be created
    :param parts: parts to measure: large, unchanged; unchanged also needs the first run
    :param texts: number of texts
    :param rate: starts per second
    """
    if not {"large", "unchanged"} & set(parts):
        return
    with world(postgresql, rate) as airflow:
        yield {"part": "base", **_base(airflow)}
        items = airflow.write_items("large", texts, output_s3_key=_KEYS + "{number}.mp3")
        for part in ("large", "unchanged") if "unchanged" in parts else ("large",):
            measured = airflow.measure("batch_unchanged", items)
            # After the second run, nothing was started, but each item must still have its object.
            yield {"part": part, **measured, "lost": texts - airflow.outcome.objects(_KEYS)}


def _base(airflow: World) -> dict[str, Any]:
    """Return the memory of a worker whose task does nothing."""
    airflow.prepare(["batch"])
    return airflow.measure("base", airflow.write_items("none", 0))


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=BUILD / "bench-batch.jsonl", help="(default: %(default)s)"
    )
    parser.add_argument("--parts", default=",".join(_PARTS), help="comma-separated (default: %(default)s)")
    parser.add_argument(
        "--texts",
        type=int,
        default=1000,
        help="texts of mapped and batch, up to 1000 (default: %(default)s)",
    )
    parser.add_argument(
        "--large-texts", type=int, default=10000, help="texts of large and unchanged (default: %(default)s)"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=_AWS_RATE,
        help="starts per second of large and unchanged (default: %(default)s)",
    )
    parser.add_argument("--postgresql", default=POSTGRESQL, help="SQLAlchemy URL (default: %(default)s)")
    given = parser.parse_args()
    parts = given.parts.split(",")
    if unknown := set(parts) - set(_PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with terminable():
        for results in (
            compare(given.postgresql, parts, given.texts),
            large(given.postgresql, parts, given.large_texts, given.rate),
        ):
            for result in results:
                line = json.dumps(result)
                with given.out.open("a") as file:
                    file.write(line + "\n")
                print(line, flush=True)
    print(f"\n{report.table(report.read([given.out]))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
