"""The choice between Get and List, depending on which of them needs fewer requests.

Get returns one synthesis task. List returns up to 100 synthesis tasks that have the same status. Which of the
two is cheaper depends on how many waits are due, now or soon, and on how many synthesis tasks the account has
in each status, including those that no wait is waiting for. Reading a list to its end sets the expected
length of that list. Each later request reduces the expected length a little, so that a long list is tried
again later.
"""

from __future__ import annotations

import math
from enum import Enum, auto

from airflow_polly_provider.aws.task_status import TaskStatus

UNFINISHED = (TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS)
FINISHED = (TaskStatus.COMPLETED, TaskStatus.FAILED)

_FORGET_PER_REQUEST = 0.1
"""Number of pages by which each request reduces the expected length of each list."""

_ABANDONED_COST_FACTOR = 4.0
"""Cost multiplier for an abandoned list: its expected length is this factor times the pages without a result.

The factor delays the next attempt. Because of the reduction above, more than ten other requests are sent for
each of these pages before the list is tried again.
"""


class PollStrategy(Enum):
    """How to get the status for the waits that are due."""

    GET = auto()
    """Request each synthesis task with Get."""

    UNFINISHED = auto()
    """List the unfinished synthesis tasks, and get those that are missing from the list."""

    FINISHED = auto()
    """List the finished synthesis tasks, and get those that have not been seen for a long time."""


class ListCosts:
    """The expected number of requests to read the list of each status."""

    def __init__(self) -> None:
        self._pages = dict.fromkeys((*UNFINISHED, *FINISHED), 1.0)

    def of(self, statuses: tuple[TaskStatus, ...]) -> float:
        """Return the expected number of requests to list all synthesis tasks with these statuses."""
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
        :param spent: the number of pages without an awaited synthesis task that were read in this list and in
            the lists before it
        """
        self._pages[status] = max(_ABANDONED_COST_FACTOR * spent, self._pages[status])

    def forget(self) -> None:
        """Reduce each expected number a little, but not below one request. Call this for each request."""
        for status, pages in self._pages.items():
            self._pages[status] = max(1.0, pages - _FORGET_PER_REQUEST)


def cheapest_strategy(
    *, known: float, unknown: int, finishing: float, costs: ListCosts
) -> tuple[PollStrategy, int]:
    """Return the cheapest strategy for the due waits, and the number of requests after which to abandon it.

    A list can be longer than expected. It is therefore abandoned after as many requests as the second
    cheapest strategy needs. The two strategies together then need at most twice as many requests as the
    second cheapest strategy alone.

    :param known: the number of due waits whose synthesis task was seen recently. A wait that is due later
        counts as the fraction of a request that checking it now would save
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
    # If the costs are equal, Get is preferred, because it requests only the synthesis tasks that are due.
    strategy, next_cheaper = sorted(PollStrategy, key=lambda strategy: requests[strategy])[:2]
    return strategy, math.ceil(requests[next_cheaper])
