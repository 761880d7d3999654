"""The statuses of many synthesis tasks, read with as few requests as possible."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_polly_provider.batch import statuses
from airflow_polly_provider.batch.statuses import StatusReader
from airflow_polly_provider.exceptions import PollyConfigurationError, PollyCredentialsError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.wait import errors
from tests.unit.support import CREATED, Refusal, Truncated, synthesis_task, warnings_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.unit.support import Answer, Request, Wire

LIST, GET = "ListSpeechSynthesisTasks", "GetSpeechSynthesisTask"
STATUSES = ("completed", "failed", "scheduled", "inProgress")
UNKNOWN = Refusal("SynthesisTaskNotFoundException")
NOT_BEFORE = CREATED - timedelta(hours=1)


class Clock:
    """A clock that only ``sleep`` advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(statuses, "time", clock)
    monkeypatch.setattr(errors, "time", clock)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    return clock


class Account:
    """Answers like an account with these synthesis tasks: a TaskStatus for each id, in the lists' order."""

    def __init__(self, wire: Wire, tasks: Mapping[str, str], **fields: Any) -> None:
        self.tasks = dict(tasks)
        self.fields = fields
        self.wire = wire
        wire.requests.clear()
        wire.answer = self.answer

    def answer(self, request: Request) -> Answer:
        if request.operation == GET:
            status = self.tasks.get(request.synthesis_task_id)
            return UNKNOWN if status is None else synthesis_task(request.synthesis_task_id, status)
        (status,) = request.query["Status"]
        listed = [task_id for task_id, its in self.tasks.items() if its == status]
        begin = int(request.query.get("NextToken", ["0"])[0])
        page = [synthesis_task(each, status, **self.fields) for each in listed[begin : begin + 100]]
        more = {"NextToken": str(begin + 100)} if begin + 100 < len(listed) else {}
        return {"SynthesisTasks": page, **more}

    @property
    def requests(self) -> Counter[str]:
        """The number of requests for each list, and of Gets."""
        return Counter(
            request.query["Status"][0] if request.operation == LIST else "Get"
            for request in self.wire.requests
        )


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def hook(**config: Any) -> PollyHook:
    return PollyHook(aws_conn_id="aws_default", **config)


def read(task_ids: Iterable[str], *, only_finished: bool = False, **given: Any) -> dict[str, str]:
    reader = StatusReader(hook(), **{"not_before": NOT_BEFORE, "requests_per_second": 5.0, **given})
    ask = reader.read_finished if only_finished else reader.read
    found = ask(list(task_ids))
    assert all(task["TaskId"] == task_id for task_id, task in found.items())
    return {task_id: task["TaskStatus"] for task_id, task in found.items()}


class TestRead:
    def test_reads_ten_thousand_ended_synthesis_tasks_from_the_lists(self, wire: Wire) -> None:
        mine = dict.fromkeys(names("c", 9_900), "completed") | dict.fromkeys(names("f", 100), "failed")
        account = Account(wire, mine)
        assert read(mine) == mine
        assert account.requests == {"completed": 99, "failed": 1}

    def test_reads_every_status(self, wire: Wire) -> None:
        mine = {task_id: STATUSES[number % 4] for number, task_id in enumerate(names("t", 400))}
        account = Account(wire, mine)
        assert read(mine) == mine
        assert account.requests == dict.fromkeys(STATUSES, 1)

    def test_gets_a_few_synthesis_tasks_without_a_list(self, wire: Wire) -> None:
        mine = dict.fromkeys(names("c", 4), "completed")
        account = Account(wire, mine | dict.fromkeys(names("foreign", 500), "completed"))
        assert read(mine) == mine
        assert account.requests == {"Get": 4}

    def test_abandons_a_list_that_costs_more_than_gets(self, wire: Wire) -> None:
        foreign = dict.fromkeys(names("foreign", 5_000), "completed")
        mine = dict.fromkeys(names("c", 10), "completed") | dict.fromkeys(names("r", 10), "inProgress")
        account = Account(wire, foreign | mine)
        assert read(mine) == mine
        assert account.requests == {"completed": 20, "failed": 1, "scheduled": 1, "inProgress": 1, "Get": 10}

    def test_ends_a_list_at_synthesis_tasks_that_are_too_old(self, wire: Wire) -> None:
        old = names("old", 5_000)
        mine = dict.fromkeys(names("c", 60), "completed")
        account = Account(wire, mine | dict.fromkeys(old, "completed"))

        def answer(request: Request) -> Answer:
            page = Account.answer(account, request)
            if request.operation == LIST and isinstance(page, dict):
                for age, task in enumerate(each for each in page["SynthesisTasks"] if each["TaskId"] in old):
                    task["CreationTime"] = NOT_BEFORE - timedelta(hours=1, seconds=age)
            return page

        wire.answer = answer
        assert read([*mine, *names("late", 60)]) == mine
        assert account.requests["completed"] == 1

    def test_gets_a_synthesis_task_that_changes_its_list_meanwhile(self, wire: Wire) -> None:
        mine = dict.fromkeys(names("r", 50), "inProgress")
        account = Account(wire, mine)

        def answer(request: Request) -> Answer:
            page = account.answer(request)
            if request.query.get("Status") == ["failed"]:
                account.tasks["r7"] = "completed"
            return page

        wire.answer = answer
        assert read(mine) == mine | {"r7": "completed"}
        assert account.requests["Get"] == 1

    def test_leaves_out_unknown_ids_after_asking_again_half_a_minute_later(
        self, wire: Wire, clock: Clock
    ) -> None:
        mine = dict.fromkeys(names("c", 50), "completed")
        account = Account(wire, mine)
        assert read([*mine, "gone", "lost"]) == mine
        assert account.requests["Get"] == 4
        assert 30 <= clock.now < 40

    def test_finds_an_id_that_is_known_only_after_a_delay(self, wire: Wire, clock: Clock) -> None:
        account = Account(wire, {})

        def answer(request: Request) -> Answer:
            if clock.now > 20:
                account.tasks["new"] = "scheduled"
            return account.answer(request)

        wire.answer = answer
        assert read(["new"]) == {"new": "scheduled"}

    def test_of_no_ids_sends_no_request(self, wire: Wire) -> None:
        assert read([]) == {}
        assert wire.requests == []

    def test_keeps_the_rate(self, wire: Wire, clock: Clock) -> None:
        Account(wire, {})
        wire.answer = lambda request: synthesis_task(request.synthesis_task_id)
        wire.may_list = False
        read(names("c", 200), requests_per_second=4.0)
        assert clock.now == pytest.approx(50, rel=0.1)

    # The account is created anew for each example.
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
    @given(
        mine=st.dictionaries(st.integers(0, 400), st.sampled_from(STATUSES), max_size=120),
        foreign=st.lists(st.integers(0, 300), min_size=4, max_size=4),
        mine_first=st.booleans(),
        gone=st.integers(0, 3),
    )
    def test_is_exact_and_costs_at_most_a_few_times_as_much_as_gets(
        self, wire: Wire, mine: dict[int, str], foreign: list[int], mine_first: bool, gone: int
    ) -> None:
        own = {f"mine{number}": status for number, status in mine.items()}
        other = {
            each: status
            for status, count in zip(STATUSES, foreign, strict=True)
            for each in names(f"foreign-{status}", count)
        }
        account = Account(wire, own | other if mine_first else other | own)
        assert read([*own, *names("gone", gone)]) == own
        assert account.requests.total() <= 5 * (len(own) + gone) + gone


class TestReadFinished:
    def test_reads_two_lists_and_sends_no_get(self, wire: Wire) -> None:
        ended = dict.fromkeys(names("c", 150), "completed") | {"f": "failed"}
        account = Account(wire, ended | dict.fromkeys(names("r", 50), "inProgress"))
        assert read(account.tasks, only_finished=True) == ended
        assert account.requests == {"completed": 2, "failed": 1}

    def test_reads_the_lists_for_a_single_id(self, wire: Wire) -> None:
        account = Account(wire, {"f": "failed"})
        assert read(["f"], only_finished=True) == {"f": "failed"}
        assert account.requests == {"completed": 1, "failed": 1}

    def test_ends_when_all_are_seen(self, wire: Wire) -> None:
        mine = dict.fromkeys(names("c", 10), "completed")
        account = Account(wire, mine | dict.fromkeys(names("foreign", 500), "completed"))
        assert read(mine, only_finished=True) == mine
        assert account.requests == {"completed": 1}

    def test_abandons_a_long_list_without_results(self, wire: Wire) -> None:
        account = Account(wire, dict.fromkeys(names("foreign", 5_000), "completed"))
        assert read(names("r", 7), only_finished=True) == {}
        assert account.requests == {"completed": 7, "failed": 1}


class TestDeniedList:
    def test_is_replaced_by_gets(self, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
        mine = dict.fromkeys(names("c", 60), "completed")
        account = Account(wire, mine)
        wire.may_list = False
        assert read(mine) == mine
        assert account.requests == {"Get": 60}
        (warning,) = warnings_in(caplog)
        assert "polly:ListSpeechSynthesisTasks" in warning

    def test_is_not_requested_again_by_the_same_reader(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        Account(wire, dict.fromkeys(names("c", 20), "completed"))
        wire.may_list = False
        reader = StatusReader(hook(), not_before=NOT_BEFORE, requests_per_second=5.0)
        assert reader.read_finished(names("c", 20)) == {}
        wire.may_list = True
        assert reader.read_finished(names("c", 20)) == {}
        assert len(reader.read(names("c", 20))) == 20
        assert [request.operation for request in wire.requests] == [GET] * 20
        assert len(warnings_in(caplog)) == 1

    def test_and_denied_get_are_an_error(self, wire: Wire) -> None:
        wire.answer = lambda _: Refusal("AccessDeniedException", 403)
        with pytest.raises(PollyConfigurationError, match="polly:GetSpeechSynthesisTask"):
            read(names("c", 20))


class TestErrors:
    @pytest.mark.parametrize(
        "error",
        [
            Refusal("ThrottlingException"),
            Refusal("ServiceFailureException", 500),
            Refusal("ExpiredTokenException", 403),
            EndpointConnectionError(endpoint_url="https://polly"),
        ],
        ids=lambda error: getattr(error, "code", "network"),
    )
    @pytest.mark.parametrize("operation", [LIST, GET])
    def test_that_may_pass_are_outlasted(
        self, wire: Wire, clock: Clock, operation: str, error: Answer
    ) -> None:
        mine = dict.fromkeys(names("c", 120), "completed")
        account = Account(wire, mine)
        wire.may_list = operation == LIST

        def answer(request: Request) -> Answer:
            return error if 1.5 < clock.now < 300 else account.answer(request)

        wire.answer = answer
        wanted = mine if operation == GET else mine | dict.fromkeys(names("x", 2_000), "completed")
        account.tasks |= wanted
        assert read(wanted) == wanted
        assert (account.requests["Get"] == 0) is (operation == LIST)
        assert clock.now > 300

    @pytest.mark.parametrize(
        ("refusal", "error"),
        [
            (Refusal("ServiceFailureException", 500), ClientError),
            (Refusal("ExpiredTokenException", 403), PollyCredentialsError),
        ],
        ids=["500", "credentials"],
    )
    def test_that_do_not_pass_are_raised_after_a_quarter_of_an_hour(
        self, wire: Wire, clock: Clock, refusal: Refusal, error: type[Exception]
    ) -> None:
        wire.answer = lambda _: refusal
        with pytest.raises(error):
            read(names("c", 20))
        assert 900 <= clock.now < 960

    def test_of_throttling_lower_the_rate(self, wire: Wire, clock: Clock) -> None:
        wire.may_list = False
        sent: list[float] = []

        def answer(request: Request) -> Answer:
            sent.append(clock.now)
            return (
                Refusal("ThrottlingException")
                if len(sent) == 1
                else synthesis_task(request.synthesis_task_id)
            )

        wire.answer = answer
        once = hook(config={"retries": {"total_max_attempts": 1}})
        reader = StatusReader(once, not_before=NOT_BEFORE, requests_per_second=10.0)
        reader.read(names("c", 30))
        assert 20 / (sent[21] - sent[1]) < 8

    def test_in_a_page_are_replaced_by_gets(self, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
        mine = dict.fromkeys(names("c", 20), "completed")
        account = Account(wire, mine)

        def answer(request: Request) -> Answer:
            return Truncated(b"<html>") if request.operation == LIST else account.answer(request)

        wire.answer = answer
        caplog.set_level(logging.INFO)
        assert read(mine) == mine
        assert account.requests == {"completed": 1, "Get": 20}
        assert len(warnings_in(caplog)) == 1

    def test_about_the_place_in_a_list_are_replaced_by_gets(self, wire: Wire) -> None:
        mine = dict.fromkeys(names("c", 150), "completed")
        account = Account(wire, mine)

        def answer(request: Request) -> Answer:
            is_second = "NextToken" in request.query
            return Refusal("InvalidNextTokenException") if is_second else account.answer(request)

        wire.answer = answer
        assert read(mine) == mine
        assert account.requests == {"completed": 2, "Get": 50}


def test_a_reader_and_the_function_read_the_same(wire: Wire) -> None:
    mine = {"c": "completed", "r": "inProgress"}
    Account(wire, mine)
    reader = StatusReader(hook(), not_before=NOT_BEFORE, requests_per_second=5.0)
    assert {task_id: task["TaskStatus"] for task_id, task in reader.read(mine).items()} == read(mine)
    finished = {task_id: task["TaskStatus"] for task_id, task in reader.read_finished(mine).items()}
    assert finished == read(mine, only_finished=True) == {"c": "completed"}
