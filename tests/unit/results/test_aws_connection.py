"""The XCom ``AwsConnection``, with which the audio of a task can be read later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import TaskDeferred
from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator
from airflow_polly_provider.results.aws_connection import AWS_CONNECTION_KEY
from airflow_polly_provider.triggers import events
from tests.unit.persisted_formats.support import Account
from tests.unit.support import (
    connection,
    context,
    execute,
    get_operator,
    running,
    sensor,
    start_operator,
    synthesis_task,
    warnings_in,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.support import Wire

GIVEN = {"aws_conn_id": "other", "region_name": "eu-west-1", "verify": "/ca.pem"}
PUSHED = {"AwsConnId": "other", "RegionName": "eu-west-1", "Verify": "/ca.pem", "CustomEndpoint": False}
EACH = pytest.mark.parametrize("make", [start_operator, get_operator, sensor])


@pytest.fixture(autouse=True)
def _other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the connection ``other``."""
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(region_name="us-east-1"))


class TestSynthesisTask:
    @EACH
    def test_is_pushed_after_a_deferral(self, wire: Wire, make: Any) -> None:
        running_context = context()
        waiter = make(**GIVEN)
        with running(waiter):
            value = waiter.execute_complete(running_context, events.success_event(synthesis_task()))
        assert running_context["ti"].pushed[AWS_CONNECTION_KEY] == PUSHED
        assert AWS_CONNECTION_KEY not in value

    def test_without_a_connection_has_none(
        self, wire: Wire, credentials_in_environment: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wire.script_start(synthesis_task())
        running_context = context()
        execute(start_operator(aws_conn_id=None), running_context)
        pushed = running_context["ti"].pushed[AWS_CONNECTION_KEY]
        assert pushed == {"AwsConnId": None, "RegionName": None, "Verify": None, "CustomEndpoint": False}

    def test_tells_a_custom_endpoint(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        endpoint = {"endpoint_url": "http://localhost:4566", "region_name": "eu-west-1"}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(**endpoint))
        wire.script_start(synthesis_task())
        running_context = context()
        execute(start_operator(), running_context)
        assert running_context["ti"].pushed[AWS_CONNECTION_KEY]["CustomEndpoint"] is True

    @EACH
    def test_is_not_pushed_before_a_deferral(self, wire: Wire, make: Any) -> None:
        in_progress = synthesis_task(status="inProgress")
        wire.script_start(in_progress, in_progress)
        running_context = context()
        arguments = {"wait_for_completion": True} if make is get_operator else {}
        with pytest.raises(TaskDeferred):
            execute(make(deferrable=True, **arguments), running_context)
        assert AWS_CONNECTION_KEY not in running_context["ti"].pushed

    def test_is_not_pushed_with_do_xcom_push_false(self, wire: Wire) -> None:
        wire.script_start(synthesis_task())
        running_context = context()
        execute(start_operator(do_xcom_push=False), running_context)
        assert running_context["ti"].pushed == {}

    def test_is_not_pushed_after_a_dry_run(self, wire: Wire) -> None:
        running_context = context()
        execute(start_operator(dry_run=True), running_context)
        assert AWS_CONNECTION_KEY not in running_context["ti"].pushed

    def test_is_not_pushed_if_the_output_is_not_in_s3(self, wire: Wire) -> None:
        wire.script_start(synthesis_task(OutputUri="https://example.com/a"))
        running_context = context()
        execute(start_operator(), running_context)
        assert AWS_CONNECTION_KEY not in running_context["ti"].pushed

    def test_that_cannot_be_pushed_does_not_fail_the_task(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        wire.script_start(synthesis_task())
        running_context = context()
        ti = running_context["ti"]

        def push(key: str, value: Any) -> None:
            if key == AWS_CONNECTION_KEY:
                raise ConnectionError("the API server is unavailable")

        monkeypatch.setattr(ti, "xcom_push", push)
        assert execute(start_operator(), running_context)["TaskStatus"] == "completed"
        assert any("the API server is unavailable" in warning for warning in warnings_in(caplog))


class TestSpeech:
    @pytest.fixture
    def account(self, monkeypatch: pytest.MonkeyPatch, aws_default: None) -> None:
        """Answer every request to Polly and S3."""
        Account().install(monkeypatch)

    def pushed(self, **arguments: Any) -> dict[str, Any]:
        running_context = context()
        operator = PollySynthesizeSpeechOperator(task_id="speak", text="Hi", voice_id="Amy", **arguments)
        execute(operator, running_context)
        return dict(running_context["ti"].pushed)

    def test_in_a_file_has_none(self, account: None, tmp_path: Path) -> None:
        assert AWS_CONNECTION_KEY not in self.pushed(output_path=f"file://{tmp_path}/a.mp3")

    def test_in_s3_has_that_of_the_operator(self, account: None) -> None:
        pushed = self.pushed(output_s3_bucket_name="my-bucket", output_s3_key="a.mp3", aws_conn_id="other")
        assert pushed[AWS_CONNECTION_KEY]["AwsConnId"] == "other"

    def test_with_a_connection_in_the_path_has_that_connection(
        self, account: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another account may own the bucket."""
        pushed = self.pushed(output_path="s3://other@my-bucket/a.mp3", region_name="eu-west-1")
        assert pushed[AWS_CONNECTION_KEY]["AwsConnId"] == "other"
        assert pushed[AWS_CONNECTION_KEY]["RegionName"] is None
