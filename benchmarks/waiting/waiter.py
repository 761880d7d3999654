"""A process that waits for many synthesis tasks, as a triggerer does, but without Airflow's own work.

It prints ``ready`` when all modules are imported, reads a JSON line with the synthesis tasks, and prints a
JSON line with the measurements. It runs in this project's environment for this package's way to wait, and in
another environment for the amazon provider's way.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.waiting.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Wait = Callable[[str, float, float], Awaitable[bool]]


async def measure(wait: Wait, order: dict[str, Any]) -> dict[str, Any]:
    """Wait for all synthesis tasks at the same time, and measure.

    :param wait: function that waits for one synthesis task
    :param order: ``waits`` (TaskId, and end time in seconds since the epoch), ``interval`` and ``patience``
    """
    delays: list[float] = []

    async def one(synthesis_task_id: str, ends_at: float) -> None:
        if await wait(synthesis_task_id, order["interval"], order["patience"]):
            delays.append(time.time() - ends_at)

    async with Meter() as meter:
        waits = []
        for synthesis_task_id, ends_at in order["waits"]:
            waits.append(asyncio.create_task(one(synthesis_task_id, ends_at)))
            # Airflow's triggerer also yields to the event loop after creating each trigger.
            await asyncio.sleep(0)
        done = await asyncio.gather(*waits, return_exceptions=True)
    errors = [repr(error) for error in done if isinstance(error, BaseException)]
    return {**meter.as_dict(), "waits": len(waits), "delays": sorted(delays), "errors": errors[:5]}


def main() -> None:
    """Run the process."""
    # Discard the triggers' log lines. The output is only read at the end, and a full pipe would block the
    # process.
    with os.fdopen(os.dup(1), "w") as out, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        wait = importlib.import_module(f"benchmarks.waiting.{sys.argv[1]}").wait
        print("ready", file=out, flush=True)
        print(json.dumps(asyncio.run(measure(wait, json.loads(sys.stdin.readline())))), file=out, flush=True)


if __name__ == "__main__":
    main()
