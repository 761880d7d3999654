"""Each run of an Airflow task starts one synthesis task, even if a request or a response is lost."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.compat import AirflowFailException
from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyError,
    PollyInvalidRequestError,
)
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.start.attempt_store import AttemptStore
from airflow_polly_provider.start.current_run import current_run
from airflow_polly_provider.start.durable import DurableStart
from airflow_polly_provider.start.task_search import TokenSearch
from airflow_polly_provider.start.token import TaskRun, prefix_with_token, request_digest, request_token
from airflow_polly_provider.wait.schedule import Schedule
from airflow_polly_provider.wait.worker import wait_in_worker
from tests.integration.aws_clients import client_of
from tests.integration.dag_builder import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.emulator.testing import RunningEmulator

RUN = TaskRun("dag", "run", "task", -1, 2)
CLEARED = RUN._replace(max_tries=5)
RUN_BEGAN = datetime.now(tz=UTC)
LIST = "ListSpeechSynthesisTasks"

pytestmark = pytest.mark.usefixtures("short_waits")


class Store(dict[str, Any]):
    """The part of Airflow 3.3's task state store that the operator uses."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


class UnavailableStore:
    """A task state store whose server cannot be reached."""

    def get(self, key: str) -> Any:
        raise OSError("connection refused")

    def set(self, key: str, value: Any) -> None:
        raise OSError("connection refused")


class ProxyThatLosesAnswersToPosts(BaseHTTPRequestHandler):
    """An HTTP proxy that forwards every request, but closes the connection instead of answering a POST."""

    def do_GET(self) -> None:
        status, answer = self.forward()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_POST(self) -> None:
        self.forward()

    def forward(self) -> tuple[int, bytes]:
        url = urlsplit(self.path)
        server = http.client.HTTPConnection(url.netloc, timeout=10)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.request(self.command, f"{url.path}?{url.query}", body, dict(self.headers))
        answer = server.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            server.close()


@pytest.fixture
def losing_proxy() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), ProxyThatLosesAnswersToPosts) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def hook(**config: Any) -> PollyHook:
    return PollyHook(aws_conn_id="aws_default", config=config or None)


def start_durably(
    emulator: RunningEmulator,
    *,
    run: TaskRun = RUN,
    try_number: int = 1,
    retries: int = RUN.max_tries,
    store: Store | UnavailableStore | None = None,
    look_seconds: float = 0.5,
    text: str = "Hello.",
    objects_written: bool = True,
    run_began: datetime = RUN_BEGAN,
    ends_in_triggerer: bool = False,
    delivers: bool = False,
    xcoms_to_clear: Sequence[str] = (),
    **config: Any,
) -> Mapping[str, Any]:
    request = {"Text": text, "VoiceId": "Amy", "OutputFormat": "mp3", "OutputS3BucketName": emulator.bucket}
    digest = request_digest(request)
    token = request_token(run, digest)
    prefix = prefix_with_token("audio/", token)
    polly = hook(**config)

    def object_exists(location: S3Location) -> bool:
        if not objects_written:
            return True
        with client_of(emulator, "s3") as s3:
            listed = s3.list_objects_v2(Bucket=location.bucket, Prefix=location.key)
        return bool(listed.get("Contents"))

    # Store replaces Airflow's accessor, which only a task runner can create.
    context: Any = {
        "dag_run": SimpleNamespace(start_date=run_began),
        "ti": SimpleNamespace(
            try_number=try_number,
            max_tries=run.max_tries,
            _ti_context_from_server=SimpleNamespace(xcom_keys_to_clear=[*xcoms_to_clear]),
        ),
        "task": SimpleNamespace(retries=retries),
    }
    context |= {} if store is None else {"task_state_store": store}
    attempts = AttemptStore(context, token, digest, ends_in_triggerer=ends_in_triggerer)
    current = current_run(context)
    start = DurableStart(
        polly,
        {**request, "OutputS3KeyPrefix": prefix},
        attempts=attempts,
        try_number=current.try_number,
        is_first_after_clear=current.is_first_after_clear,
        search=TokenSearch(polly, not_before=current.earliest_start),
        look_seconds=look_seconds,
        object_exists=object_exists,
    )
    synthesis_task = start.run().synthesis_task
    if delivers:
        attempts.save_delivered()
    return synthesis_task


def started(emulator: RunningEmulator) -> int:
    return len(list(hook().list_speech_synthesis_tasks()))


def calls(emulator: RunningEmulator, operation: str) -> int:
    return sum(emulator.counters.snapshot().get(operation, {}).values())


@pytest.fixture
def polly(speaking_emulator: RunningEmulator) -> RunningEmulator:
    speaking_emulator.reset()
    return speaking_emulator


@pytest.fixture
def start_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RunningEmulator]]:
    """Return a function that starts an emulator with the given settings."""
    with ExitStack() as stack:

        def start(**settings: Any) -> RunningEmulator:
            emulator = stack.enter_context(running_emulator(audio="none", **settings))
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", emulator.airflow_connection())
            return emulator

        yield start


def test_a_first_try_without_faults_makes_one_request(polly: RunningEmulator) -> None:
    start_durably(polly)
    assert sum(sum(outcomes.values()) for outcomes in polly.counters.snapshot().values()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"drop": "after"}, id="answer lost after processing"),
        pytest.param({"drop": "before"}, id="connection dropped before processing"),
        pytest.param({"cut": True}, id="answer cut short"),
        pytest.param({"error": "ServiceFailureException"}, id="500 before processing"),
        pytest.param({"error": "ThrottlingException", "times": 20}, id="throttled twenty times"),
        pytest.param({"delay_seconds": 1.5}, id="answer slower than the read time-out"),
        pytest.param({"error": "UnrecognizedClientException", "status": 400}, id="credentials rejected once"),
    ],
)
@pytest.mark.parametrize("with_store", [False, True])
def test_one_fault_leads_to_one_synthesis_task(
    polly: RunningEmulator, fault: dict[str, Any], with_store: bool
) -> None:
    polly.faults.add(START, **fault)
    task = start_durably(polly, store=Store() if with_store else None, look_seconds=2, read_timeout=1)
    assert started(polly) == 1
    assert hook().get_speech_synthesis_task(task["TaskId"])["TaskId"] == task["TaskId"]
    # The emulator counts a slow answer after sending it. Wait for that, so that a later test does not see it.
    deadline = time.monotonic() + 10
    while not calls(polly, START):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_answer_lost_behind_a_proxy_leads_to_one_synthesis_task(
    polly: RunningEmulator, losing_proxy: str
) -> None:
    """urllib3 reports this lost response as a proxy that could not be reached."""
    task = start_durably(polly, proxies={"http": losing_proxy})
    assert started(polly) == 1
    assert hook().get_speech_synthesis_task(task["TaskId"])["TaskId"] == task["TaskId"]


def test_invalid_ssml_is_not_sent_again(polly: RunningEmulator) -> None:
    polly.faults.add(START, error="InvalidSsmlException")
    with pytest.raises(PollyInvalidRequestError, match="InvalidSsmlException"):
        start_durably(polly)
    assert calls(polly, START) == 1


def test_a_lost_answer_with_denied_list_raises_an_error_instead_of_a_second_start(
    polly: RunningEmulator,
) -> None:
    polly.faults.add(START, drop="after")
    polly.faults.deny(LIST)
    with pytest.raises(PollyConfigurationError, match="polly:ListSpeechSynthesisTasks") as raised:
        start_durably(polly)
    assert "durable=False" in str(raised.value)
    polly.faults.clear()
    assert started(polly) == 1


def test_a_retry_adopts_the_stored_synthesis_task_without_a_list_request(polly: RunningEmulator) -> None:
    store = Store()
    first = start_durably(polly, store=store)
    polly.counters.reset()
    again = start_durably(polly, store=store, try_number=2)
    assert again["TaskId"] == first["TaskId"]
    assert (calls(polly, START), calls(polly, LIST)) == (0, 0)


def test_nothing_is_started_while_both_the_store_and_the_list_are_unavailable(
    polly: RunningEmulator,
) -> None:
    polly.faults.deny(LIST)
    with pytest.raises(PollyError, match="No synthesis task was started") as refused:
        start_durably(polly, store=UnavailableStore())
    assert not isinstance(refused.value, AirflowFailException), "the store may be available for the next try"
    start_durably(polly, store=Store(), try_number=2)
    assert polly.counters.calls(START) == 1


def test_an_unavailable_store_does_not_prevent_the_start_if_a_retry_can_list(polly: RunningEmulator) -> None:
    first = start_durably(polly, store=UnavailableStore())
    again = start_durably(polly, store=Store(), try_number=2)
    assert again["TaskId"] == first["TaskId"]


@pytest.mark.parametrize(
    "record",
    [{"asked_at": "soon"}, {"synthesis_task_id": 5, "asked_at": 1.0}, {"added_later": True, "asked_at": 1.0}],
)
def test_an_unreadable_record_is_treated_as_missing(polly: RunningEmulator, record: dict[str, Any]) -> None:
    store = Store()
    first = start_durably(polly, store=store)
    store["polly_start"] = {"token": store["polly_start"]["token"], **record}
    assert start_durably(polly, store=store, try_number=2)["TaskId"] == first["TaskId"]


def test_a_retry_without_a_store_adopts_the_synthesis_task_with_its_token(polly: RunningEmulator) -> None:
    first = start_durably(polly)
    assert start_durably(polly, try_number=2)["TaskId"] == first["TaskId"]
    assert started(polly) == 1


def test_a_retry_adopts_the_synthesis_task_of_a_try_that_ended_before_storing_its_id(
    polly: RunningEmulator,
) -> None:
    store = Store()
    first = start_durably(polly, store=store)
    store["polly_start"]["synthesis_task_id"] = None
    assert start_durably(polly, store=store, try_number=2)["TaskId"] == first["TaskId"]
    assert started(polly) == 1


def test_the_same_try_executed_twice_starts_once(polly: RunningEmulator) -> None:
    store = Store()
    first = start_durably(polly, store=store)
    assert start_durably(polly, store=store, try_number=1)["TaskId"] == first["TaskId"]


def test_a_retry_that_airflow_executes_as_the_first_try_adopts_the_synthesis_task(
    polly: RunningEmulator,
) -> None:
    """Airflow 3.0.6 can execute the workload of the first try again, and has no task state store."""
    first = start_durably(polly)
    again = start_durably(polly, try_number=1, xcoms_to_clear=("TaskId", "TaskStatus"))
    assert again["TaskId"] == first["TaskId"]
    assert started(polly) == 1


def test_a_failed_synthesis_task_is_not_adopted(polly: RunningEmulator) -> None:
    polly.faults.add(START, fail_task="Something broke")
    store = Store()
    first = start_durably(polly, store=store)
    polly.advance_clock(60)
    again = start_durably(polly, store=store, try_number=2)
    assert again["TaskId"] != first["TaskId"]


def test_a_completed_synthesis_task_without_its_object_is_not_adopted(polly: RunningEmulator) -> None:
    first = start_durably(polly)
    polly.advance_clock(60)
    wait_in_worker(hook(), first["TaskId"], schedule=Schedule(0.1), deadline=time.time() + 60)
    output = parse_output_uri(first["OutputUri"])
    with client_of(polly, "s3") as s3:
        s3.delete_object(Bucket=output.bucket, Key=output.key)
    assert start_durably(polly, try_number=2)["TaskId"] != first["TaskId"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(RUN._replace(run_id="another"), id="another run"),
        pytest.param(RUN._replace(map_index=1), id="another map index"),
        pytest.param(RUN._replace(dag_id="another"), id="another dag"),
        pytest.param(CLEARED, id="same run after a clear"),
        pytest.param(RUN._replace(namespace="staging"), id="another deployment"),
    ],
)
def test_another_runs_synthesis_task_is_never_adopted(polly: RunningEmulator, other: TaskRun) -> None:
    first = start_durably(polly)
    assert start_durably(polly, run=other, try_number=2)["TaskId"] != first["TaskId"]
    assert (
        start_durably(polly, run=other._replace(task_id="second"), try_number=2)["TaskId"] != first["TaskId"]
    )


@pytest.mark.parametrize("retries", [0, 2])
def test_a_cleared_task_without_a_store_searches_once_and_starts(
    polly: RunningEmulator, retries: int
) -> None:
    """When Airflow clears a task, it sets max_tries to the last try number plus the number of retries."""
    start_durably(polly)
    listed = calls(polly, LIST)
    began = time.monotonic()
    start_durably(
        polly, run=RUN._replace(max_tries=1 + retries), try_number=2, retries=retries, look_seconds=60
    )
    assert time.monotonic() - began < 30
    assert calls(polly, LIST) - listed == 4, "one request for each TaskStatus"
    assert started(polly) == 2


def test_a_retry_adopts_even_if_the_number_of_retries_was_reduced(polly: RunningEmulator) -> None:
    first = start_durably(polly)
    assert start_durably(polly, try_number=2, retries=1, look_seconds=60)["TaskId"] == first["TaskId"]


class TestClearedTask:
    """Airflow 3.3 changes the ``max_tries`` of a task that is cleared while it runs, so the token changes."""

    def test_that_was_still_running_adopts_its_synthesis_task(self, polly: RunningEmulator) -> None:
        store = Store()
        first = start_durably(polly, store=store)
        for run in (CLEARED, CLEARED._replace(max_tries=8)):
            assert start_durably(polly, store=store, run=run, try_number=2)["TaskId"] == first["TaskId"]
        assert started(polly) == 1

    def test_that_had_not_saved_the_id_finds_the_synthesis_task_by_its_original_token(
        self, polly: RunningEmulator
    ) -> None:
        store = Store()
        first = start_durably(polly, store=store)
        store["polly_start"]["synthesis_task_id"] = None
        assert start_durably(polly, store=store, run=CLEARED, try_number=2)["TaskId"] == first["TaskId"]

    def test_whose_adoption_was_interrupted_adopts_again(self, polly: RunningEmulator) -> None:
        class InterruptedStore(Store):
            def set(self, key: str, value: Any) -> None:
                if key == "polly_start_run":
                    raise SystemExit
                super().set(key, value)

        store = Store()
        first = start_durably(polly, store=store)
        interrupted = InterruptedStore(store)
        with pytest.raises(SystemExit):
            start_durably(polly, store=interrupted, run=CLEARED, try_number=2)
        again = start_durably(polly, store=Store(interrupted), run=CLEARED, try_number=3)
        assert again["TaskId"] == first["TaskId"]

    def test_that_had_succeeded_starts_a_new_synthesis_task(self, polly: RunningEmulator) -> None:
        store = Store()
        first = start_durably(polly, store=store, delivers=True)
        assert start_durably(polly, store=store, run=CLEARED, try_number=2)["TaskId"] != first["TaskId"]

    def test_whose_text_was_changed_starts_a_new_synthesis_task(self, polly: RunningEmulator) -> None:
        store = Store()
        start_durably(polly, store=store, text="One.")
        start_durably(polly, store=store, text="Two.", run=CLEARED, try_number=2)
        assert started(polly) == 2

    @pytest.mark.parametrize("run", [RUN, CLEARED], ids=["with fewer retries", "with as many retries"])
    def test_whose_run_had_ended_starts_a_new_synthesis_task(
        self, polly: RunningEmulator, run: TaskRun
    ) -> None:
        """With fewer retries than before, ``max_tries`` and therefore the token can be the same."""
        store = Store()
        first = start_durably(polly, store=store)
        later = RUN_BEGAN + timedelta(seconds=3)
        again = start_durably(polly, store=store, run=run, run_began=later, try_number=2)
        assert again["TaskId"] != first["TaskId"]
        third = start_durably(polly, store=store, run=run, run_began=later, try_number=3)
        assert third["TaskId"] == again["TaskId"]

    @pytest.mark.parametrize("completed", [True, False])
    def test_that_ends_in_the_triggerer_adopts_only_an_unfinished_synthesis_task(
        self, start_emulator: Callable[..., RunningEmulator], completed: bool
    ) -> None:
        """In the triggerer, the success of the task cannot be recorded in the store."""
        emulator = start_emulator(in_progress_seconds=3600)
        store = Store()
        first = start_durably(emulator, store=store, ends_in_triggerer=True)
        if completed:
            emulator.advance_clock(3610)
            wait_in_worker(hook(), first["TaskId"], schedule=Schedule(0.1), deadline=time.time() + 60)
        again = start_durably(emulator, store=store, run=CLEARED, try_number=2, ends_in_triggerer=True)
        assert (again["TaskId"] == first["TaskId"]) is not completed


def test_a_run_that_was_deleted_and_created_again_does_not_adopt_the_earlier_runs_synthesis_task(
    polly: RunningEmulator,
) -> None:
    """There is no store. The first try of the second run may have ended before its start request."""
    first = start_durably(polly)
    an_hour_later = RUN_BEGAN + timedelta(hours=1)
    again = start_durably(polly, run_began=an_hour_later, try_number=2)
    assert again["TaskId"] != first["TaskId"]


def test_a_retry_with_a_changed_text_does_not_adopt(polly: RunningEmulator) -> None:
    first = start_durably(polly, text="One.")
    assert start_durably(polly, text="Two.", try_number=2)["TaskId"] != first["TaskId"]


def test_the_search_after_a_lost_answer_waits_until_the_list_contains_the_synthesis_task(
    start_emulator: Callable[..., RunningEmulator],
) -> None:
    emulator = start_emulator(list_delay_seconds=1.0)
    emulator.faults.add(START, drop="after")
    start_durably(emulator, look_seconds=5, objects_written=False)
    assert calls(emulator, START) == 1


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_search_finds_the_token_among_many_other_tasks(
    start_emulator: Callable[..., RunningEmulator], newest_first: bool
) -> None:
    emulator = start_emulator(newest_first=newest_first)
    emulator.seed(count=2000, status="completed", age_seconds=3600, spacing_seconds=1)
    first = start_durably(emulator, objects_written=False)
    emulator.seed(count=250, status="completed", spacing_seconds=0.001)
    assert start_durably(emulator, try_number=2, objects_written=False)["TaskId"] == first["TaskId"]


def test_a_search_ends_when_only_older_tasks_follow(start_emulator: Callable[..., RunningEmulator]) -> None:
    emulator = start_emulator(newest_first=True)
    emulator.seed(count=5000, status="completed", age_seconds=3600, spacing_seconds=1)
    start_durably(emulator, try_number=2, look_seconds=0)
    assert calls(emulator, LIST) == 4


def test_the_error_is_raised_after_five_lost_answers(polly: RunningEmulator) -> None:
    polly.faults.add(START, error="ServiceFailureException", times=None)
    with pytest.raises(ClientError, match="ServiceFailureException"):
        start_durably(polly, look_seconds=0)
    assert calls(polly, START) == 5
