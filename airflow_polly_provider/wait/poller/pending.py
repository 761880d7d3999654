"""One wait, as its poller keeps it."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from airflow_polly_provider.wait.schedule import Schedule


@dataclass(frozen=True)
class TransientError:
    """A check that failed and does not end the wait."""

    error: Exception


@dataclass(eq=False)
class Wait:
    """A wait that is registered with a poller; times are monotonic, in seconds."""

    synthesis_task_id: str
    schedule: Schedule
    began: float
    due: float
    updates: asyncio.Queue[Mapping[str, Any] | Exception | TransientError] = field(
        default_factory=asyncio.Queue
    )
    seen_at: float = -math.inf
    last_running_at: float = 0.0
    created: datetime | None = None
    last_status: str | None = None
    failing: bool = False
    over: bool = False

    def share_of_interval_gone(self, now: float) -> float:
        """Return how much of the interval until the next check is over: 1 when that is due."""
        if self.due <= now:
            # The interval of a sensor with poke_interval=0 has no length.
            return 1.0
        return max(0.0, 1 - (self.due - now) / self.schedule.next_check_in(now - self.began))
