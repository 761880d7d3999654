"""The choice between Get and List: the one that takes fewer requests now.

Get returns one synthesis task, List up to 100 with one status. Which of the two is cheaper depends on how
many waits are due, now or soon, and on how many synthesis tasks the account has in each status. Synthesis
tasks without a wait here count too. Reading a list to its end sets the expected length of that list. Each
later request reduces the expected length a little, so that a long list is tried again later.
"""

from __future__ import annotations

import math
from enum import Enum, auto

from airflow_polly_provider.aws.task_status import TaskStatus

UNFINISHED = (TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS)
FINISHED = (TaskStatus.COMPLETED, TaskStatus.FAILED)

_FORGET_PER_REQUEST = 0.1
"""By how many pages each request reduces the expected length of each list."""

_ABANDONED_COST_FACTOR = 4.0
"""Cost multiplier for an abandoned list: its expected length is this factor times the pages without a result.

It delays the next attempt: with the reduction above, more than ten requests for each of these pages are sent
before it.
"""


class PollStrategy(Enum):
    """How to get the status for the waits that are due."""

    GET = auto()
    """Get each synthesis task."""

    UNFINISHED = auto()
    """List the unfinished synthesis tasks, and get those that are missing from the list."""

    FINISHED = auto()
    """List the finished synthesis tasks, and get those that have not been seen for a long time."""


class ListCosts:
    """The expected number of requests to read the list of each status."""

    def __init__(self) -> None:
        self._pages = dict.fromkeys((*UNFINISHED, *FINISHED), 1.0)

    def of(self, statuses: tuple[TaskStatus, ...]) -> float:
        """Return the expected number of requests to list all tasks of these statuses."""
        return sum(self._pages[status] for status in statuses)

    def learn(self, status: TaskStatus, pages: int) -> None:
        """Record a list that was read to its end.

        :param status: the status of the list
        :param pages: the number of requests that it took
        """
        self._pages[status] = float(pages)

    def give_up(self, status: TaskStatus, spent: int) -> None:
        """Record a list that was abandoned because it took too many requests.

        :param status: the status of the list
        :param spent: the number of pages read so far without an awaited synthesis task, of this list and of
            the lists before it
        """
        self._pages[status] = max(_ABANDONED_COST_FACTOR * spent, self._pages[status])

    def forget(self) -> None:
        """Reduce each expectation a little, but not below one request. Call this with each request."""
        for status, pages in self._pages.items():
            self._pages[status] = max(1.0, pages - _FORGET_PER_REQUEST)


def cheapest_strategy(
    *, known: float, unknown: int, finishing: float, costs: ListCosts
) -> tuple[PollStrategy, int]:
    """Return the cheapest strategy for the waits that are due, and after how many requests to give it up.

    A list can be longer than expected. So it is given up after as many requests as the second cheapest
    strategy needs. Both strategies together then take at most twice as many requests as the second alone.

    :param known: the number of due waits whose synthesis task was seen recently. Each wait that is due later
        adds a fraction: the share of a request that checking it now saves
    :param unknown: the number of due waits whose synthesis task was not seen recently. If such a synthesis
        task is not listed as finished, its status is still unknown
    :param finishing: the number of synthesis tasks expected to have finished since they were last checked
    :param costs: the expected costs of listing
    """
    finished = costs.of(FINISHED)
    requests = {
        PollStrategy.GET: known + unknown,
        PollStrategy.UNFINISHED: costs.of(UNFINISHED) + min(finishing, finished),
        PollStrategy.FINISHED: finished + unknown,
    }
    # If costs are equal, Get comes first: it requests only the synthesis tasks that are due.
    strategy, next_cheaper = sorted(PollStrategy, key=lambda strategy: requests[strategy])[:2]
    return strategy, math.ceil(requests[next_cheaper])
