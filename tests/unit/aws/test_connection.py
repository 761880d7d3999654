"""A missing or unavailable Airflow connection is not silently replaced by the machine's own credentials."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from airflow_polly_provider.aws import connection as aws_connection
from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook
from airflow_polly_provider.exceptions import PollyConfigurationError, PollyConnectionNotFoundError
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.wait import schedule
from tests.unit.support import (
    Refusal,
    connection,
    context,
    execute,
    get_operator,
    start_operator,
    synthesis_task,
)
from tests.unit.triggers.support import status_of, trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.support import Answer, Request, Wire

pytestmark = pytest.mark.usefixtures("credentials_in_environment")
OTHER_ACCOUNT = "eu-central-1"
OWN_ACCOUNT = "eu-west-1"
SCHEDULED = synthesis_task(status="scheduled")


def create(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Create the connection, so that Airflow finds it from now on."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", connection(region_name=OWN_ACCOUNT))


class Clock:
    """A clock that only ``sleep`` advances; it calls a function at a given second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: tuple[float, Callable[[], None]] | None = None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.at is not None and self.now >= self.at[0]:
            self.at[1]()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(aws_connection, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    return clock


def not_in_another_account(request: Request) -> Answer:
    """Answer for two accounts; only the connection's own account knows the synthesis task."""
    if request.region == OTHER_ACCOUNT:
        return Refusal("SynthesisTaskNotFoundException")
    return synthesis_task(request.synthesis_task_id)


def denied_in_another_account(request: Request) -> Answer:
    """Answer for two accounts; the other account denies every request."""
    if request.region == OTHER_ACCOUNT:
        return Refusal("AccessDeniedException", 403)
    return synthesis_task(request.synthesis_task_id)


other_account = pytest.mark.parametrize("answer", [not_in_another_account, denied_in_another_account])


class TestNamedConnection:
    @pytest.mark.parametrize("durable", [True, False])
    def test_if_missing_is_named_in_an_error_and_nothing_is_started(
        self, wire: Wire, clock: Clock, durable: bool
    ) -> None:
        with pytest.raises(PollyConnectionNotFoundError) as error:
            execute(start_operator(aws_conn_id="misspelt", durable=durable))
        for word in ("'misspelt' was not found", "Correct aws_conn_id", "aws_conn_id=None"):
            assert word in str(error.value)
        assert wire.requests == []
        assert aws_connection.LOOK_UP_GRACE_SECONDS <= clock.now < aws_connection.LOOK_UP_GRACE_SECONDS + 3

    def test_is_used_if_it_is_found_during_the_grace_period(
        self, wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock.at = (5, lambda: create(monkeypatch, "late"))
        wire.script_start(SCHEDULED, synthesis_task())
        execute(start_operator(aws_conn_id="late"))
        assert {request.region for request in wire.requests} == {OWN_ACCOUNT}

    def test_if_its_lookup_fails_causes_an_error_with_the_reason_and_nothing_is_started(
        self, wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(conn_id: str) -> Any:
            raise OSError("the secrets back-end is away")

        monkeypatch.setattr(AwsBaseHook, "get_connection", fail)
        for name in ("named", "aws_default"):
            with pytest.raises(PollyConnectionNotFoundError, match=f"'{name}' could not.*back-end is away"):
                execute(start_operator(aws_conn_id=name))
        assert wire.requests == []

    def test_if_missing_fails_every_call_of_the_hook(self, wire: Wire, clock: Clock) -> None:
        hook = PollyHook(aws_conn_id="misspelt")
        for _ in range(2):
            with pytest.raises(PollyConnectionNotFoundError):
                hook.get_speech_synthesis_task("t1")
        assert wire.requests == []

    def test_if_missing_is_an_error_for_s3_too(self, clock: Clock) -> None:
        with pytest.raises(PollyConnectionNotFoundError, match="'misspelt'"):
            NamedConnectionS3Hook(aws_conn_id="misspelt").conn  # noqa: B018

    async def test_if_found_later_does_not_end_a_deferred_wait(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(schedule, "FIRST_CHECKS_EVERY_SECONDS", 0.05)
        looked: list[str] = []

        def get_connection(conn_id: str) -> Any:
            looked.append(conn_id)
            if len(looked) == 3:
                create(monkeypatch, "late")
            return original(conn_id)

        original = AwsBaseHook.get_connection
        monkeypatch.setattr(AwsBaseHook, "get_connection", get_connection)
        wire.answer = not_in_another_account
        assert await status_of(trigger(aws_conn_id="late")) == "completed"
        assert {request.region for request in wire.requests} == {OWN_ACCOUNT}


@pytest.mark.usefixtures("no_default_connection")
class TestDefaultConnection:
    """Without ``aws_default``, the machine's own credentials apply; it may be missing only briefly."""

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schedule, "FIRST_CHECKS_EVERY_SECONDS", 0.05)

    @other_account
    @pytest.mark.parametrize("waits", [True, False])
    def test_if_found_later_does_not_end_a_wait_in_the_worker(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Request], Answer], waits: bool
    ) -> None:
        wire.answer = answer
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            create(monkeypatch, "aws_default")

        monkeypatch.setattr(time, "sleep", sleep)
        operator = get_operator(wait_for_completion=waits, deferrable=False)
        assert execute(operator)["TaskStatus"] == "completed"
        assert slept

    @other_account
    async def test_if_found_later_does_not_end_a_deferred_wait(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Request], Answer]
    ) -> None:
        def answer_and_create(request: Request) -> Answer:
            if len(wire.requests) == 3:
                create(monkeypatch, "aws_default")
            return answer(request)

        wire.answer = answer_and_create
        assert await status_of(trigger()) == "completed"

    def test_with_the_region_if_found_later_does_not_end_a_wait(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        monkeypatch.setattr(time, "sleep", lambda _: create(monkeypatch, "aws_default"))
        assert execute(get_operator())["TaskStatus"] == "completed"

    def test_if_found_later_lets_a_retry_adopt_the_synthesis_task(
        self, wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other account's list is empty; reading it may take longer than the connection is missing."""
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", "0")
        monkeypatch.setattr(time, "sleep", clock.sleep)
        clock.at = (1, lambda: create(monkeypatch, "aws_default"))
        token_prefixes: list[str] = []

        def answer(request: Request) -> Answer:
            if request.operation == "StartSpeechSynthesisTask":
                token_prefixes.append(request.body["OutputS3KeyPrefix"])
                return SCHEDULED
            clock.now += 40
            uri = f"https://s3.eu-west-1.amazonaws.com/my-bucket/{token_prefixes[0]}.t1.mp3"
            ours = synthesis_task(status="scheduled", OutputUri=uri, CreationTime=datetime.now(tz=UTC))
            return {"SynthesisTasks": [] if request.region == OTHER_ACCOUNT else [ours]}

        wire.answer = answer
        for try_number in (1, 2):
            execute(start_operator(wait_for_completion=False), context(try_number=try_number))
        assert len(token_prefixes) == 1

    def test_if_still_missing_after_the_grace_period_makes_an_access_denied_error_final(
        self, wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wire.answer = denied_in_another_account
        monkeypatch.setattr(time, "sleep", clock.sleep)
        with pytest.raises(PollyConfigurationError, match="'aws_default' was not found"):
            execute(get_operator())
        assert clock.now >= aws_connection.LOOK_UP_GRACE_SECONDS
