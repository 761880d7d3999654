"""The example that sends an alert when a synthesis task failed or took too long."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.emulator.testing import running_emulator
from tests.integration.aws_clients import client_of
from tests.integration.example_dags import FOLDER, dags_in

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

COOKBOOK = Path(__file__).resolve().parents[2] / "docs" / "cookbook.md"
NAME = "example_polly_alert"
START = "StartSpeechSynthesisTask"
REASON = "The voice is hoarse."
TEXT = "The gates close at nine."

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def dag(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> DAG:
    monkeypatch.setenv("POLLY_EXAMPLE_BUCKET", emulator.bucket)
    return dags_in(FOLDER / f"{NAME}.py")[NAME]


@pytest.fixture
def sent(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that receives the messages, instead of sending them."""
    speak: Any = dag.get_task("speak")
    callback = speak.on_failure_callback
    (alert,) = callback if isinstance(callback, list | tuple) else (callback,)
    messages: list[str] = []
    monkeypatch.setitem(alert.__globals__, "send", messages.append)
    return messages


def test_no_message_where_the_synthesis_task_completes(dag: DAG, sent: list[str], run_dag: RunDag) -> None:
    assert run_dag(dag).state == "success"
    assert sent == []


def test_retry_and_failure_are_reported_with_the_synthesis_task_and_its_reason(
    dag: DAG, sent: list[str], emulator: RunningEmulator, run_dag: RunDag
) -> None:
    emulator.faults.add(START, fail_task=REASON, times=2)

    run = run_dag(dag)

    assert run.task("speak") == ("failed", 2)
    task_id = run.xcoms("speak")["TaskId"]
    assert len(sent) == 2
    for number, message in enumerate(sent, start=1):
        assert message.startswith(f"{NAME}.speak try {number} of run {run.run_id}: ")
        assert "error: PollySynthesisTaskFailedError" in message
        assert "status: failed" in message
        assert message.endswith(f"reason: {REASON}")
        assert TEXT not in message
    assert f"synthesis_task: {task_id}," in sent[1]
    assert task_id not in sent[0], "the retry starts another synthesis task"


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in worker"])
def test_synthesis_task_that_takes_too_long_is_reported_with_its_id_and_status(
    dag: DAG, sent: list[str], run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    speak: Any = dag.get_task("speak")
    speak.timeout, speak.retries, speak.deferrable = 0.5, 0, deferrable
    with running_emulator(audio="none", scheduled_seconds=0.05, in_progress_seconds=3600) as slow:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", slow.airflow_connection())
        run = run_dag(dag)

    assert run.task("speak") == ("failed", 1)
    (message,) = sent
    assert message.endswith(
        f"error: PollyWaitTimeoutError, synthesis_task: {run.xcoms('speak')['TaskId']}, "
        "status: inProgress, reason: none"
    )
    assert TEXT not in message


def test_sns_notifier_of_the_cookbook_publishes_the_synthesis_task_and_its_reason(
    dag: DAG, emulator: RunningEmulator, run_dag: RunDag
) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", COOKBOOK.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, str(COOKBOOK), "exec"), names)
    speak: Any = dag.get_task("speak")
    speak.retries, speak.on_failure_callback = 0, [names["notify"]]
    emulator.faults.add(START, fail_task=REASON)

    with client_of(emulator, "sns") as sns, client_of(emulator, "sqs") as sqs:
        topic_arn = sns.create_topic(Name=names["notify"].target_arn.rpartition(":")[2])["TopicArn"]
        assert topic_arn == names["notify"].target_arn
        queue_url = sqs.create_queue(QueueName="polly-alerts")["QueueUrl"]
        queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn["QueueArn"])
        run = run_dag(dag)
        (received,) = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=5)["Messages"]

    assert run.task("speak") == ("failed", 1)
    assert json.loads(received["Body"])["Message"] == (
        f"speak: synthesis task {run.xcoms('speak')['TaskId']} is failed: {REASON}"
    )
