"""Whether to ask by Get or by List: what costs fewer requests now.

Get asks for one synthesis task, List for 100 of a status. Which is cheaper depends on how many waits are
due, now or soon, and on how many tasks, ours and others', the account holds in each status: that is learned
from each list read, and slowly forgotten, so that a list that was long once is tried again.
"""

from __future__ import annotations

import math
from enum import Enum, auto

from airflow_polly_provider.aws.task_status import TaskStatus

UNFINISHED = (TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS)
FINISHED = (TaskStatus.COMPLETED, TaskStatus.FAILED)

_FORGET_PER_REQUEST = 0.1
"""How many pages fewer a list is thought to have after each request that was sent."""

_GIVEN_UP = 4.0
"""How many times as long as what was spent in vain a list is thought that was given up: with the above, it is
tried again after more than ten times as many requests."""


class PollStrategy(Enum):
    """How to learn the status of the waits that are due."""

    GET = auto()
    """Ask for each."""

    UNFINISHED = auto()
    """List what is unfinished; ask for those that are missing there."""

    FINISHED = auto()
    """List what is finished; ask for those that were not seen for long."""


class ListCosts:
    """How many requests it takes to read the list of each status."""

    def __init__(self) -> None:
        self._pages = dict.fromkeys((*UNFINISHED, *FINISHED), 1.0)

    def of(self, statuses: tuple[TaskStatus, ...]) -> float:
        """Return the expected number of requests to list all tasks of these statuses."""
        return sum(self._pages[status] for status in statuses)

    def learn(self, status: TaskStatus, pages: int) -> None:
        """Take note of a list that was read to its end.

        :param status: whose list
        :param pages: how many requests it took
        """
        self._pages[status] = float(pages)

    def give_up(self, status: TaskStatus, spent: int) -> None:
        """Take note of a list that was not read to its end, since that took too much.

        :param status: whose list
        :param spent: how many requests brought nothing, those before it in the same go included
        """
        self._pages[status] = max(_GIVEN_UP * spent, self._pages[status])

    def forget(self) -> None:
        """Move each expectation a little towards the least; to be called with each request."""
        for status, pages in self._pages.items():
            self._pages[status] = max(1.0, pages - _FORGET_PER_REQUEST)


def cheapest_strategy(
    *, known: float, unknown: int, finishing: float, costs: ListCosts
) -> tuple[PollStrategy, int]:
    """Choose how to ask for the waits that are due, and after how many requests to give it up.

    A list can be longer than expected: given up at the cost of the next cheaper strategy, it at most doubles
    that.

    :param known: waits due whose synthesis task was seen not long ago, and those due later by the share of a
        request that asking now spares
    :param unknown: waits due whose synthesis task was not: absence from the finished says nothing of them
    :param finishing: how many are expected to have finished since they were asked for last
    :param costs: what listing costs
    """
    finished = costs.of(FINISHED)
    requests = {
        PollStrategy.GET: known + unknown,
        PollStrategy.UNFINISHED: costs.of(UNFINISHED) + min(finishing, finished),
        PollStrategy.FINISHED: finished + unknown,
    }
    # Equal cost goes to Get, which asks for what is due and nothing else.
    strategy, next_cheaper = sorted(PollStrategy, key=lambda strategy: requests[strategy])[:2]
    return strategy, math.ceil(requests[next_cheaper])
