"""The choice between Get and List never costs more than twice the cheaper operation alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_polly_provider.wait.schedule import Schedule
from tests.unit.wait.poller.virtual_account import Account, by_get, by_list, poll

if TYPE_CHECKING:
    from tests.unit.wait.poller.virtual_account import Outcome

SCHEDULE = Schedule(poke_interval=30)
DONE, BUSY = -1.0, 9_999.0


def ends(count: int, last: float = 600.0) -> list[float]:
    chance = random.Random(count)
    return [chance.random() * last for _ in range(count)]


def maximum_requests(account: Account, schedule: Schedule) -> int:
    """Return twice the requests of the cheaper strategy and of a first check of each wait."""
    unfinished = account.pages("scheduled", 0) + account.pages("inProgress", 0)
    first_look = min(len(account.ours), unfinished)
    cheaper = min(by_get(account, schedule).requests, by_list(account, schedule).requests)
    return 2 * (cheaper + first_look)


def delay_at(outcome: Outcome, share: float) -> float:
    return outcome.delays[int(share * (len(outcome.delays) - 1))]


ACCOUNTS = {
    "one wait": Account(ends(1)),
    "few waits": Account(ends(5)),
    "many waits": Account(ends(1500)),
    "few waits in a huge account": Account(ends(5), [DONE] * 5000),
    "many waits in a huge account": Account(ends(150), [DONE] * 5000),
    "waits among others' running tasks": Account(ends(100), [BUSY] * 5000),
    "huge and busy": Account(ends(80), [DONE] * 6000 + [BUSY] * 6000),
    "other tasks end during the wait": Account(ends(100), ends(4000)),
    "all end at once": Account([60.0] * 1500),
    "all end at once in a huge account": Account([60.0] * 1500, [DONE] * 5000),
    "Get and List cost the same": Account(
        [0.0] * 12 + [3.0] * 9 + [67.0, 72.0, 85.0, 246.0] * 3, [DONE] * 980
    ),
    "all completed before": Account([DONE] * 300, [DONE] * 5000),
}


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("name", ACCOUNTS)
def test_the_poller_costs_at_most_twice_the_cheaper_strategy(name: str, newest_first: bool) -> None:
    given_account = ACCOUNTS[name]
    account = Account(given_account.ours, given_account.foreign, newest_first=newest_first)
    outcome = poll(account, SCHEDULE)
    assert len(outcome.delays) == len(account.ours)
    assert outcome.requests <= maximum_requests(account, SCHEDULE)


@settings(max_examples=40, deadline=None)
# With Get, these become due one after the other, so a list never pays for a single one.
@example(
    ours=[131.0, 520.0, 0.0, 521.0, 0.0, 274.0, 361.0, 366.0],
    others={BUSY: 700},
    many=1,
    newest_first=False,
    ours_last=True,
    interval=5.0,
)
@example(
    ours=[395.3, 0.0, 508.3, 468.0, 0.0],
    others={BUSY: 900},
    many=2,
    newest_first=False,
    ours_last=True,
    interval=5.0,
)
@given(
    ours=st.lists(st.floats(-10, 600), min_size=1, max_size=60),
    others=st.dictionaries(st.sampled_from([DONE, BUSY, 45.0, 300.0]), st.integers(1, 1500), max_size=3),
    many=st.integers(1, 8),
    newest_first=st.booleans(),
    ours_last=st.booleans(),
    interval=st.sampled_from([5.0, 30.0, 120.0]),
)
def test_the_poller_costs_at_most_twice_the_cheaper_strategy_in_any_account(
    ours: list[float],
    others: dict[float, int],
    many: int,
    newest_first: bool,
    ours_last: bool,
    interval: float,
) -> None:
    foreign = [end for end, count in others.items() for _ in range(count)]
    account = Account(ours * many, foreign, newest_first=newest_first, ours_last=ours_last)
    schedule = Schedule(poke_interval=interval)
    outcome = poll(account, schedule)
    assert len(outcome.delays) == len(account.ours)
    assert outcome.requests <= maximum_requests(account, schedule)


def test_the_time_to_read_long_lists_does_not_add_to_the_interval() -> None:
    outcome = poll(Account(ends(3000, last=300)), SCHEDULE)
    assert delay_at(outcome, 0.5) < 15
    assert delay_at(outcome, 0.95) < 30


def test_tasks_that_complete_together_are_noticed_as_fast_as_their_pages_can_be_read() -> None:
    account = Account([60.0] * 3000)
    outcome = poll(account, SCHEDULE)
    seconds_to_get_each = 3000 / 5
    assert delay_at(outcome, 1) < 30
    assert delay_at(outcome, 1) < seconds_to_get_each / 10


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_huge_account_does_not_delay_the_end_of_a_wait(newest_first: bool) -> None:
    account = Account(ends(2000), [DONE] * 40_000, newest_first=newest_first)
    assert delay_at(poll(account, SCHEDULE), 0.95) < 60
