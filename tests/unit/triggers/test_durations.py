"""The duration and the endpoint of audio that a task finds out when it ends in the triggerer."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.handlers
import pytest

from airflow_polly_provider.compat import XCom
from airflow_polly_provider.triggers.durations import with_duration
from airflow_polly_provider.triggers.polly import PollySpeechSynthesisTaskTrigger
from airflow_polly_provider.wait.poller.client import HookSettings
from tests.unit.support import Refusal, connection, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.support import Wire


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the XComs that triggers push, by key."""
    xcoms: dict[str, Any] = {}
    monkeypatch.setattr(XCom, "set", lambda *, key, value, **_: xcoms.update({key: value}))
    monkeypatch.setattr("airflow_polly_provider.triggers.lifetime.supervisor_linger_seconds", lambda: 0.0)
    return xcoms


def before_each_read(monkeypatch: pytest.MonkeyPatch, call: Callable[[str], object]) -> None:
    """Call a function with the URL of each S3 request, in the thread that sends the request."""

    def handler(request: Any, **_: Any) -> None:
        call(request.url)

    handlers = [("before-send.s3", handler), *botocore.handlers.BUILTIN_HANDLERS]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)


async def end_in_triggerer(**arguments: Any) -> Any:
    """Run a trigger as a triggerer does, and return its event."""
    given: dict[str, Any] = {"synthesis_task_id": "t1", "end_from_trigger": True} | arguments
    waiting = PollySpeechSynthesisTaskTrigger(**given)
    waiting.trigger_id = 1
    waiting.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)  # type: ignore[assignment]  # only the attributes that are used
    (event,) = [event async for event in waiting.run()]
    return event


class TestTaskThatEndsInTheTriggerer:
    async def test_pushes_the_duration_and_logs_it(
        self, wire: Wire, pushed: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        await end_in_triggerer(extra_xcom={"RequestDigest": "d"})
        assert pushed["DurationSeconds"] == pushed["return_value"]["DurationSeconds"] == 3.0
        assert "t1 completed: s3://bucket/audio.t1.mp3, 5 characters billed, 3.0 s of audio" in caplog.text

    @pytest.mark.parametrize("endpoint", [None, "http://localhost:4566"])
    async def test_pushes_its_connection(
        self, wire: Wire, pushed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, endpoint: str | None
    ) -> None:
        extra = {} if endpoint is None else {"endpoint_url": endpoint}
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(**extra))
        await end_in_triggerer(aws_conn_id="other", region_name="eu-west-1", verify=False)
        assert pushed["AwsConnection"] == {
            "AwsConnId": "other",
            "RegionName": "eu-west-1",
            "Verify": False,
            "CustomEndpoint": endpoint is not None,
        }
        assert "AwsConnection" not in pushed["return_value"]

    async def test_ends_without_the_duration_if_s3_denies_it(
        self, wire: Wire, pushed: dict[str, Any]
    ) -> None:
        wire.audio = Refusal("AccessDenied", 403)
        await end_in_triggerer()
        assert pushed["TaskStatus"] == "completed"
        assert "DurationSeconds" not in pushed

    @pytest.mark.parametrize("arguments", [{"push_xcom": False}, {"end_from_trigger": False}])
    async def test_reads_no_duration_that_it_would_not_push(
        self, wire: Wire, pushed: dict[str, Any], arguments: dict[str, Any]
    ) -> None:
        await end_in_triggerer(**arguments)
        assert wire.s3_reads == []

    async def test_reads_no_duration_after_a_failure(self, wire: Wire, pushed: dict[str, Any]) -> None:
        wire.script(synthesis_task(status="failed"))
        await end_in_triggerer()
        assert wire.s3_reads == []


class TestReading:
    async def test_happens_in_one_thread_for_all_waits_of_a_connection(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads: list[str] = []
        before_each_read(monkeypatch, lambda _: threads.append(threading.current_thread().name))
        values = await asyncio.gather(
            *(with_duration(synthesis_task(f"t{number}"), HookSettings()) for number in range(20))
        )
        assert [value["DurationSeconds"] for value in values] == [3.0] * 20
        assert len(threads) == 20
        assert set(threads) == {"polly-duration_0"}

    async def test_that_hangs_on_one_connection_delays_no_other_and_not_the_event_loop(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_HUNG", connection(region_name="us-west-2"))
        released = threading.Event()
        before_each_read(monkeypatch, lambda url: released.wait(60) if "us-west-2" in url else None)
        hung = asyncio.create_task(with_duration(synthesis_task(), HookSettings(aws_conn_id="hung")))
        other = await with_duration(synthesis_task("t2"), HookSettings())
        assert other["DurationSeconds"] == 3.0
        assert not hung.done()
        released.set()
        assert (await hung)["DurationSeconds"] == 3.0

    async def test_uses_all_settings_of_the_connection(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = connection(region_name="eu-west-1", endpoint_url="http://s3.test:1")
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", other)
        settings = HookSettings(
            aws_conn_id="other",
            region_name="us-west-2",
            verify=False,
            botocore_config={"user_agent_extra": "ours"},
        )
        await with_duration(synthesis_task(), settings)
        (read,) = wire.s3_reads
        assert read.url.startswith("http://s3.test:1/bucket/audio.t1.mp3")
        agent, authorization = (str(read.headers[name]) for name in ("User-Agent", "Authorization"))
        assert "ours" in agent
        assert "/us-west-2/s3/" in authorization
