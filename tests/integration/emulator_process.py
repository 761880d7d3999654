"""A client of an emulator that runs in another process."""

from __future__ import annotations

from typing import Any

import httpx

SYNTHESIS_SECONDS = 3600


class Emulator:
    """Controls an emulator in another process.

    :param endpoint_url: URL that the emulator listens on
    """

    def __init__(self, endpoint_url: str) -> None:
        self._http = httpx.Client(
            base_url=endpoint_url, headers={"X-Polly-Emulator": "1"}, timeout=30, trust_env=False
        )

    def ask(self, path: str, **document: Any) -> Any:
        return self._http.post(f"/_emulator/{path}", json=document).raise_for_status().json()

    def seed(self, **settings: Any) -> str:
        running = {"status": "inProgress", "ends_in_seconds": SYNTHESIS_SECONDS}
        (synthesis_task_id,) = self.ask("tasks", **running, **settings)["TaskIds"]
        return str(synthesis_task_id)

    def end_synthesis(self) -> None:
        self.ask("clock", advance_seconds=2 * SYNTHESIS_SECONDS)

    def deny(self, operation: str) -> None:
        self.ask("faults", operation=operation, error="AccessDeniedException", times=None)

    def calls(self, operation: str, outcome: str) -> int:
        counters = self._http.get("/_emulator/counters").raise_for_status().json()
        return int(counters.get(operation, {}).get(outcome, 0))

    def close(self) -> None:
        self._http.close()
