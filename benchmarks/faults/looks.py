"""Measures the number of requests and the duration of a token search: ``python -m benchmarks.faults.looks``.

The benchmark runs two searches in an account with 100,000 ended synthesis tasks, for each order that Polly's
list might have. Then the benchmark runs 500 simultaneous searches under AWS's quotas.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.start.task_search import TokenSearch
from benchmarks.faults.lane import Lane

SEEDED = 100_000
SPACING_SECONDS = 2.5
LOOKS = 500


def search(prefix: str) -> list[Any]:
    """Search for a token, like a run that began an hour ago.

    :param prefix: key prefix with the token
    """
    an_hour_ago = datetime.now(tz=UTC) - timedelta(hours=1)
    return TokenSearch(PollyHook(aws_conn_id="lane_0"), not_before=an_hour_ago).find("seeded", prefix)


def list_calls(lane: Lane) -> dict[str, int]:
    """Return the number of responses to List since the last call of this function, by outcome."""
    calls: dict[str, int] = lane.ask("GET", "counters").get("ListSpeechSynthesisTasks", {})
    lane.ask("DELETE", "counters")
    return calls


def one_look(lane: Lane, *, newest_first: bool) -> list[dict[str, Any]]:
    """Search in 100,000 synthesis tasks: first for the token of the newest task, then for an unknown token.

    :param lane: lane whose emulator is searched
    :param newest_first: whether the lists begin with the newest synthesis task
    """
    lane.prepare(*(["--newest-first"] if newest_first else []))
    lane.ask("POST", "tasks", {"count": SEEDED, "age_seconds": 60, "spacing_seconds": SPACING_SECONDS})
    lane.ask("POST", "tasks", {"count": 1, "prefix": "there", "status": "completed"})
    rows = []
    for prefix in ("there", "nowhere"):
        lane.ask("DELETE", "counters")
        start = time.monotonic()
        found = search(prefix)
        rows.append(
            {
                "newest_first": newest_first,
                "token": "the newest task's" if found else "no task's",
                "requests": sum(list_calls(lane).values()),
                "seconds": round(time.monotonic() - start, 1),
            }
        )
    return rows


def many_looks(lane: Lane) -> dict[str, Any]:
    """Run 500 simultaneous searches under AWS's quotas, in an account with 1,000 tasks from the last hour."""
    lane.prepare("--newest-first", "--quotas", "aws")
    lane.ask("POST", "tasks", {"count": 1000, "age_seconds": 1, "spacing_seconds": 3, "prefix": "other"})
    for number in range(LOOKS):
        lane.ask("POST", "tasks", {"count": 1, "prefix": f"mine-{number}", "status": "inProgress"})
    lane.ask("DELETE", "counters")
    ends: list[float] = []
    missed: list[int] = []
    start = time.monotonic()

    def look(number: int) -> None:
        if not search(f"mine-{number}"):
            missed.append(number)
        ends.append(time.monotonic() - start)

    threads = [threading.Thread(target=look, args=(number,), daemon=True) for number in range(LOOKS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3600)
    calls = list_calls(lane)
    return {
        "looks": LOOKS,
        "ended": len(ends),
        "found": len(ends) - len(missed),
        "median_seconds": round(sorted(ends)[len(ends) // 2], 1),
        "last_seconds": round(max(ends), 1),
        "calls": calls,
        "answered_per_second": round(calls.get("ok", 0) / max(ends), 1),
    }


def main() -> int:
    """Run the command, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.looks", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    given = parser.parse_args()
    figures: dict[str, Any] = {"one_look": []}
    for newest_first in (True, False):
        with tempfile.TemporaryDirectory(prefix="polly-looks-") as folder, Lane(Path(folder), 0) as lane:
            os.environ["AIRFLOW_CONN_LANE_0"] = lane.airflow_connection
            figures["one_look"] += one_look(lane, newest_first=newest_first)
            print(figures["one_look"][-2:], flush=True)
    with tempfile.TemporaryDirectory(prefix="polly-looks-") as folder, Lane(Path(folder), 0) as lane:
        os.environ["AIRFLOW_CONN_LANE_0"] = lane.airflow_connection
        figures["many_looks"] = many_looks(lane)
        print(figures["many_looks"], flush=True)
    given.out.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
