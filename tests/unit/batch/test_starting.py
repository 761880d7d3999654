"""Starts of many synthesis tasks: order, rate, faults and lost responses."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from airflow_polly_provider.batch import starting
from airflow_polly_provider.batch.starting import BatchStarter
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyManifestReplacedError,
)
from airflow_polly_provider.hooks.polly import PollyHook
from tests.unit.batch.engine import Clock, Polly, hook, job, jobs, own_threads
from tests.unit.support import PAGE, Refusal, Truncated, warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_polly_provider.batch.job import Job
    from airflow_polly_provider.batch.manifest import ItemRecord
    from tests.unit.support import Answer, Wire

URL = "https://polly.eu-west-1.amazonaws.com/v1/synthesisTasks"
THROTTLED = Refusal("ThrottlingException", 400, "Rate exceeded")
EXPIRED = Refusal("ExpiredTokenException", 403, "expired")
DENIED = Refusal("AccessDeniedException", 403, "not allowed")
REJECTED = Refusal("InvalidS3BucketException", 400, "no such bucket")
READ_TIME_OUT = ReadTimeoutError(endpoint_url=URL)
LOST: dict[str, Answer] = {
    "server error": Refusal("ServiceFailureException", 500),
    "read time-out": READ_TIME_OUT,
    "a proxy's page": PAGE,
    "empty": Truncated(),
}


def refused_connection() -> Exception:
    error = EndpointConnectionError(endpoint_url=URL)
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(starting, "time", clock)
    return clock


@pytest.fixture
def _all_at_once(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let several requests be due while none is answered: the clock moves at each look."""
    monkeypatch.setattr(starting, "start_requests_per_second", lambda engine: 100_000.0)
    monkeypatch.setattr(clock, "step", 0.001)


@pytest.fixture
def polly(wire: Wire) -> Polly:
    return Polly(wire)


def prefix_of(record: ItemRecord) -> str:
    return f"{record.prefix}{record.id}"


def search_in(polly: Polly) -> Callable[[Sequence[ItemRecord]], dict[str, Any]]:
    """Return a search that finds synthesis tasks by their prefixes, as Recovery.search does."""

    def search(records: Sequence[ItemRecord]) -> dict[str, Any]:
        return {
            record.id: task
            for record in records
            for task in polly.tasks.values()
            if f"/{prefix_of(record)}." in task["OutputUri"]
        }

    return search


def starter(polly: Polly, **given: Any) -> BatchStarter:
    arguments: dict[str, Any] = {
        "prefix_of": prefix_of,
        "search": search_in(polly),
        "look_seconds": 60.0,
        "before_each": lambda: None,
    } | given
    return BatchStarter(arguments.pop("hook", None) or hook(), **arguments)


def first_times(count: int, answer: Answer) -> Callable[[str], Answer | None]:
    """Return a fault of the first requests of each text."""
    asked: Counter[str] = Counter()

    def fault(text: str) -> Answer | None:
        asked[text] += 1
        return answer if asked[text] <= count else None

    return fault


def statuses(given: Sequence[Job]) -> list[str]:
    return [each.record.status for each in given]


class TestStart:
    def test_sends_the_requests_in_order_with_the_prefixes_of_their_records(self, polly: Polly) -> None:
        given = jobs(12)
        one = starter(polly)
        one.start(given)
        assert polly.asked == [each.item.request["Text"] for each in given]
        sent = [request.body for request in polly.wire.requests]
        assert sent == [{**each.item.request, "OutputS3KeyPrefix": prefix_of(each.record)} for each in given]
        assert one.started == 12
        assert [each.record.task_id for each in given] == list(polly.tasks)

    def test_writes_pollys_response_into_the_records(self, polly: Polly) -> None:
        (given,) = jobs(1)
        given.record.reason = "of an earlier try"
        starter(polly).start([given])
        (task,) = polly.tasks.values()
        record = given.record
        assert (record.task_id, record.status) == (task["TaskId"], "scheduled")
        assert record.output_uri == task["OutputUri"]
        assert record.request_characters == record.spoken_characters == len("Text 0")
        assert record.reason is None
        assert not record.finished

    def test_of_no_jobs_sends_nothing(self, polly: Polly) -> None:
        starter(polly).start([])
        assert polly.wire.requests == []

    def test_sends_no_prefix_if_the_record_has_none(self, polly: Polly) -> None:
        starter(polly, prefix_of=lambda record: None).start(jobs(1))
        assert "OutputS3KeyPrefix" not in polly.wire.requests[0].body

    def test_calls_before_each_before_the_first_request(self, polly: Polly) -> None:
        seen: list[int] = []
        starter(polly, before_each=lambda: seen.append(len(polly.asked))).start(jobs(3))
        assert seen[0] == 0
        assert len(seen) >= 3

    def test_ends_its_threads(self, polly: Polly) -> None:
        starter(polly).start(jobs(3))
        assert own_threads() == []

    def test_sends_at_most_ten_requests_at_a_time(
        self, polly: Polly, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(starting, "time", time)
        monkeypatch.setattr(starting, "start_requests_per_second", lambda engine: 100_000.0)
        at_once, most, lock = 0, 0, threading.Lock()
        # The first request of each ten is answered when the tenth has been sent.
        together = threading.Barrier(starting.THREADS, timeout=60)

        def slow(text: str) -> None:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            together.wait()
            with lock:
                at_once -= 1

        polly.refuse = slow
        starter(polly).start(jobs(30))
        assert most == starting.THREADS
        assert len(polly.tasks) == 30


class TestRate:
    @pytest.mark.parametrize(("engine", "seconds"), [("neural", 2.0), ("generative", 20.0), (None, 2.0)])
    def test_is_that_of_the_engines_quota(
        self, polly: Polly, clock: Clock, engine: str | None, seconds: float
    ) -> None:
        began = clock.now
        starter(polly).start(jobs(21, Engine=engine))
        assert seconds * 0.8 <= clock.now - began <= seconds * 1.2

    def test_of_one_engine_does_not_hold_up_another(self, polly: Polly, clock: Clock) -> None:
        at: dict[str, float] = {}

        def note(text: str) -> None:
            at[text] = clock.now

        polly.refuse = note
        slow = [job(number, Engine="generative") for number in range(5)]
        fast = [job(number, Engine="neural") for number in range(5, 15)]
        began = clock.now
        starter(polly).start([*slow, *fast])
        assert at["Text 14"] - began < 1.2
        assert at["Text 4"] - began > 3.0

    def test_is_the_users_option(self, polly: Polly, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_REQUESTS_PER_SECOND", '{"neural": 2}')
        began = clock.now
        starter(polly).start(jobs(11))
        assert 4.0 <= clock.now - began <= 6.0

    def test_falls_after_throttling_and_the_item_is_sent_again_first(
        self, polly: Polly, clock: Clock
    ) -> None:
        times: list[float] = []
        throttle = first_times(1, THROTTLED)

        def fault(text: str) -> Answer | None:
            times.append(clock.now)
            return throttle(text) if text == "Text 2" else None

        polly.refuse = fault
        given = jobs(6)
        starter(polly).start(given)
        assert polly.asked == [f"Text {number}" for number in (0, 1, 2, 2, 3, 4, 5)]
        assert statuses(given) == ["scheduled"] * 6
        before, after = times[1] - times[0], times[4] - times[3]
        assert after > 1.3 * before

    def test_that_is_throttled_for_most_of_an_hour_is_no_error(self, polly: Polly, clock: Clock) -> None:
        until = clock.now + 3000

        polly.refuse = lambda text: THROTTLED if clock.now < until else None
        given = jobs(2)
        starter(polly).start(given)
        assert statuses(given) == ["scheduled"] * 2

    def test_throttling_for_an_hour_is_an_error(self, polly: Polly, clock: Clock) -> None:
        polly.refuse = lambda text: THROTTLED
        given = jobs(2)
        began = clock.now
        with pytest.raises(ClientError, match="ThrottlingException"):
            starter(polly).start(given)
        assert 3600 <= clock.now - began < 3700
        assert statuses(given) == ["notStarted"] * 2


class TestUnreachable:
    def test_endpoint_that_refuses_connections_is_tried_again(self, polly: Polly, clock: Clock) -> None:
        until = clock.now + 20
        polly.refuse = lambda text: refused_connection() if clock.now < until else None
        given = jobs(3)
        starter(polly).start(given)
        assert sorted(polly.started) == ["Text 0", "Text 1", "Text 2"]
        assert statuses(given) == ["scheduled"] * 3

    def test_endpoint_is_given_up_after_a_minute_and_nothing_is_lost(
        self, polly: Polly, clock: Clock
    ) -> None:
        began = clock.now
        polly.refuse = lambda text: refused_connection()
        given = jobs(3)
        with pytest.raises(EndpointConnectionError):
            starter(polly).start(given)
        assert 60 <= clock.now - began <= 60 + 2 * 60
        assert statuses(given) == ["notStarted"] * 3

    def test_host_that_is_not_found_is_given_up_after_five_minutes(self, polly: Polly, clock: Clock) -> None:
        began = clock.now
        polly.refuse = lambda text: EndpointConnectionError(endpoint_url=URL)
        with pytest.raises(EndpointConnectionError):
            starter(polly).start(jobs(1))
        assert 300 <= clock.now - began <= 300 + 2 * 60

    def test_certificate_that_is_not_trusted_is_an_error_at_once(self, polly: Polly, clock: Clock) -> None:
        began = clock.now
        polly.refuse = lambda text: EndpointConnectionError(endpoint_url="x CERTIFICATE_VERIFY_FAILED")
        with pytest.raises(PollyConfigurationError, match="certificate"):
            starter(polly).start(jobs(1))
        assert clock.now == began

    def test_time_of_throttling_does_not_count_as_unreachable(self, polly: Polly, clock: Clock) -> None:
        throttled_until = clock.now + 600
        refused = iter([refused_connection()])
        polly.refuse = lambda text: THROTTLED if clock.now < throttled_until else next(refused, None)
        given = jobs(1)
        starter(polly).start(given)
        assert statuses(given) == ["scheduled"]

    @pytest.mark.usefixtures("_all_at_once")
    def test_requests_that_fail_together_count_as_one_failure(
        self, polly: Polly, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(starting, "full_jitter", lambda failures, longest: min(longest, 2.0**failures))
        together = threading.Barrier(8, timeout=60)
        fault = first_times(1, refused_connection())

        def refuse(text: str) -> Answer | None:
            answer = fault(text)
            if answer is not None:
                together.wait()
            return answer

        polly.refuse = refuse
        began = clock.now
        starter(polly).start(jobs(8))
        assert 2.0 <= clock.now - began < 4.0


class TestLostResponse:
    @pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
    def test_is_searched_and_the_synthesis_task_is_adopted(self, polly: Polly, lost: Answer) -> None:
        polly.lose = lambda text: lost if text == "Text 1" else None
        given = jobs(3)
        starter(polly).start(given)
        assert sorted(polly.started) == ["Text 0", "Text 1", "Text 2"]
        assert given[1].record.task_id in polly.tasks
        assert statuses(given) == ["scheduled"] * 3

    @pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
    def test_without_a_synthesis_task_is_sent_again_after_the_search(
        self, polly: Polly, clock: Clock, lost: Answer
    ) -> None:
        fault = first_times(1, lost)
        polly.refuse = lambda text: fault(text) if text == "Text 1" else None
        given = jobs(3)
        began = clock.now
        starter(polly).start(given)
        assert polly.asked == ["Text 0", "Text 1", "Text 2", "Text 1"]
        assert statuses(given) == ["scheduled"] * 3
        assert clock.now - began >= 60.0, "Polly may list a synthesis task only after a delay"

    def test_is_found_although_polly_lists_it_late(self, polly: Polly, clock: Clock) -> None:
        visible_at = clock.now + 30
        found = search_in(polly)
        polly.lose = lambda text: READ_TIME_OUT
        given = jobs(1)
        starter(polly, search=lambda records: found(records) if clock.now >= visible_at else {}).start(given)
        assert polly.asked == ["Text 0"]
        assert given[0].record.task_id in polly.tasks

    def test_is_sent_at_most_five_times(self, polly: Polly) -> None:
        polly.refuse = lambda text: READ_TIME_OUT if text == "Text 0" else None
        given = jobs(2)
        with pytest.raises(ReadTimeoutError):
            starter(polly).start(given)
        assert Counter(polly.asked) == {"Text 0": 5, "Text 1": 1}
        assert statuses(given) == ["notStarted", "scheduled"]

    def test_does_not_hold_up_the_other_items(self, polly: Polly) -> None:
        searched_after: list[int] = []
        found = search_in(polly)

        def search(records: Sequence[ItemRecord]) -> Mapping[str, Any]:
            searched_after.append(len(polly.asked))
            return found(records)

        polly.lose = lambda text: READ_TIME_OUT if text == "Text 0" else None
        starter(polly, search=search).start(jobs(20))
        assert searched_after == [20]

    def test_five_in_a_row_stop_the_starts_until_they_are_resolved(self, polly: Polly) -> None:
        searched: list[tuple[int, int]] = []
        found = search_in(polly)

        def search(records: Sequence[ItemRecord]) -> Mapping[str, Any]:
            searched.append((len(polly.asked), len(records)))
            return found(records)

        polly.lose = lambda text: READ_TIME_OUT if int(text.split()[1]) < 10 else None
        given = jobs(20)
        starter(polly, search=search).start(given)
        assert searched == [(5, 5), (10, 5)]
        assert len(polly.asked) == len(polly.tasks) == 20
        assert statuses(given) == ["scheduled"] * 20

    def test_after_a_response_begins_a_new_row(self, polly: Polly) -> None:
        searches: list[int] = []
        found = search_in(polly)

        def search(records: Sequence[ItemRecord]) -> Mapping[str, Any]:
            searches.append(len(records))
            return found(records)

        polly.lose = lambda text: READ_TIME_OUT if int(text.split()[1]) % 5 else None
        starter(polly, search=search).start(jobs(20))
        assert searches == [16]

    def test_with_a_denied_list_is_an_error_that_says_what_to_allow(self, polly: Polly) -> None:
        def denied(records: Sequence[ItemRecord]) -> Mapping[str, Any]:
            raise PollyConfigurationError("not allowed.")

        polly.lose = lambda text: READ_TIME_OUT if text == "Text 0" else None
        given = jobs(3)
        with pytest.raises(PollyConfigurationError, match=r"1 start requests.*ListSpeechSynthesisTasks"):
            starter(polly, search=denied).start(given)
        assert statuses(given) == ["notStarted", "scheduled", "scheduled"]

    def test_calls_before_each_while_searching(self, polly: Polly, clock: Clock) -> None:
        called: list[float] = []
        polly.refuse = first_times(1, READ_TIME_OUT)
        starter(polly, before_each=lambda: called.append(clock.now)).start(jobs(1))
        gaps = [later - earlier for earlier, later in itertools.pairwise(called)]
        assert called[-1] - called[0] >= 60
        assert max(gaps) <= 1.1

    def test_counts_as_a_start_if_it_is_found(self, polly: Polly) -> None:
        polly.lose = lambda text: READ_TIME_OUT
        one = starter(polly)
        one.start(jobs(2))
        assert one.started == 2

    def test_without_tokens_fails_its_item(self, polly: Polly) -> None:
        polly.lose = lambda text: READ_TIME_OUT if text == "Text 1" else None
        given = jobs(3)
        starter(polly, search=None).start(given)
        assert polly.asked == ["Text 0", "Text 1", "Text 2"]
        assert statuses(given) == ["scheduled", "failed", "scheduled"]
        assert "may have been billed" in str(given[1].record.reason)

    def test_without_tokens_five_in_a_row_are_an_error(self, polly: Polly) -> None:
        polly.lose = lambda text: READ_TIME_OUT
        with pytest.raises(ReadTimeoutError):
            starter(polly, search=None).start(jobs(20))
        assert len(polly.asked) == 5


class TestRejection:
    def test_fails_only_its_item(self, polly: Polly, caplog: pytest.LogCaptureFixture) -> None:
        polly.refuse = lambda text: REJECTED if text == "Text 1" else None
        given = jobs(3)
        one = starter(polly)
        one.start(given)
        assert statuses(given) == ["scheduled", "failed", "scheduled"]
        assert "no such bucket" in str(given[1].record.reason)
        assert given[1].record.task_id is None
        assert one.started == 2
        assert any("item-1" in line for line in warnings_in(caplog))

    def test_reason_is_at_most_500_characters(self, polly: Polly) -> None:
        polly.refuse = lambda text: Refusal("InvalidSsmlException", 400, "x" * 2000)
        (given,) = jobs(1)
        starter(polly).start([given])
        assert len(str(given.record.reason)) == 500


class TestError:
    def test_of_access_ends_the_start_and_nothing_is_lost(self, polly: Polly) -> None:
        polly.refuse = lambda text: DENIED if text == "Text 2" else None
        given = jobs(30)
        with pytest.raises(PollyConfigurationError):
            starter(polly).start(given)
        recorded = {each.record.task_id for each in given} - {None}
        assert recorded == set(polly.tasks)
        assert len(polly.tasks) < 12
        assert given[2].record.status == "notStarted"
        assert own_threads() == []

    def test_does_not_lose_responses_that_arrive_afterwards(
        self, polly: Polly, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(starting, "time", time)
        monkeypatch.setattr(starting, "start_requests_per_second", lambda engine: 100_000.0)
        all_sent, failed = threading.Barrier(5, timeout=60), threading.Event()

        def refuse(text: str) -> Answer | None:
            all_sent.wait()
            if text == "Text 0":
                return DENIED
            failed.wait(0.1)
            return None

        polly.refuse = refuse
        given = jobs(5)
        one = starter(polly)
        with pytest.raises(PollyConfigurationError):
            one.start(given)
        assert statuses(given) == ["notStarted", *["scheduled"] * 4]
        assert one.started == 4

    def test_of_before_each_ends_the_start_and_is_raised(self, polly: Polly) -> None:
        def replaced() -> None:
            if len(polly.asked) >= 3:
                raise PollyManifestReplacedError("another try has taken over")

        given = jobs(20)
        with pytest.raises(PollyManifestReplacedError):
            starter(polly, before_each=replaced).start(given)
        assert {each.record.task_id for each in given} - {None} == set(polly.tasks)
        assert 3 <= len(polly.tasks) <= 5
        assert own_threads() == []


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counted: list[int] = []
    renew = PollyHook.renew

    def counting(self: PollyHook) -> None:
        counted.append(1)
        renew(self)

    monkeypatch.setattr(PollyHook, "renew", counting)
    return counted


class TestCredentials:
    def test_are_renewed_once_and_the_item_is_sent_again(self, polly: Polly, renewals: list[int]) -> None:
        fault = first_times(1, EXPIRED)
        polly.refuse = lambda text: fault(text) if text == "Text 1" else None
        given = jobs(3)
        starter(polly).start(given)
        assert statuses(given) == ["scheduled"] * 3
        assert Counter(polly.asked)["Text 1"] == 2
        assert len(renewals) == 1

    def test_that_stay_rejected_are_an_error(self, polly: Polly, renewals: list[int]) -> None:
        polly.refuse = lambda text: EXPIRED
        given = jobs(3)
        with pytest.raises(PollyCredentialsError):
            starter(polly).start(given)
        assert statuses(given) == ["notStarted"] * 3
        assert len(renewals) == 1

    def test_are_renewed_again_when_they_expire_again(self, polly: Polly, renewals: list[int]) -> None:
        fault = first_times(1, EXPIRED)
        polly.refuse = lambda text: fault(text) if text in ("Text 1", "Text 5") else None
        starter(polly).start(jobs(8))
        assert len(polly.tasks) == 8
        assert len(renewals) == 2

    @pytest.mark.usefixtures("_all_at_once")
    def test_that_expire_while_several_requests_are_under_way_are_renewed_once(
        self, polly: Polly, renewals: list[int]
    ) -> None:
        together = threading.Barrier(6, timeout=60)
        fault = first_times(1, EXPIRED)

        def refuse(text: str) -> Answer | None:
            answer = fault(text)
            if answer is not None:
                together.wait()
            return answer

        polly.refuse = refuse
        given = jobs(6)
        starter(polly).start(given)
        assert statuses(given) == ["scheduled"] * 6
        assert len(renewals) == 1
