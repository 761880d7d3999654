"""Faults, quotas and the admin path of the emulator."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.emulator.support import MakeClient, StartTask, WaitForEnd


def test_the_requested_number_of_calls_fail(emulator: RunningEmulator, polly: Any) -> None:
    emulator.faults.add("ListSpeechSynthesisTasks", error="ThrottlingException", times=2)
    for _ in range(2):
        with pytest.raises(ClientError, match="ThrottlingException") as caught:
            polly.list_speech_synthesis_tasks()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert polly.list_speech_synthesis_tasks()["SynthesisTasks"] == []
    assert emulator.counters.snapshot() == {"ListSpeechSynthesisTasks": {"ThrottlingException": 2, "ok": 1}}


def test_a_share_of_0_5_fails_about_half_of_the_calls(emulator: RunningEmulator, polly: Any) -> None:
    emulator.faults.add("ListSpeechSynthesisTasks", error="ServiceFailureException", times=None, share=0.5)
    for _ in range(40):
        with contextlib.suppress(polly.exceptions.ServiceFailureException):
            polly.list_speech_synthesis_tasks()
    assert 10 <= emulator.counters.calls("ListSpeechSynthesisTasks", "ok") <= 30


@pytest.mark.parametrize(("drop", "left_over"), [("before", 0), ("after", 1)])
def test_a_dropped_start_creates_a_task_only_with_drop_after(
    emulator: RunningEmulator, start_task: StartTask, polly: Any, drop: str, left_over: int
) -> None:
    emulator.faults.add("StartSpeechSynthesisTask", drop=drop)
    with pytest.raises(ConnectionClosedError):
        start_task()
    assert len(polly.list_speech_synthesis_tasks()["SynthesisTasks"]) == left_over
    assert emulator.counters.calls("StartSpeechSynthesisTask", f"dropped {drop}") == 1


@pytest.mark.parametrize("status", [200, 302, 403, 503])
def test_a_page_replaces_the_answer_after_the_request_was_processed(
    emulator: RunningEmulator, start_task: StartTask, polly: Any, status: int
) -> None:
    emulator.faults.add("StartSpeechSynthesisTask", page="<html>Accès refusé ✋</html>", status=status)
    with pytest.raises((ClientError, UnicodeDecodeError)):
        start_task()
    assert len(polly.list_speech_synthesis_tasks()["SynthesisTasks"]) == 1
    assert emulator.counters.calls("StartSpeechSynthesisTask", "page") == 1


def test_a_delayed_answer_exceeds_the_clients_timeout(emulator: RunningEmulator, client: MakeClient) -> None:
    emulator.faults.add("ListSpeechSynthesisTasks", delay_seconds=2)
    impatient = client("polly", read_timeout=0.2)
    began = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        impatient.list_speech_synthesis_tasks()
    assert time.monotonic() - began < 1.5
    # The emulator counts the request when it answers. Wait for that, so that a later test does not see it.
    while not emulator.counters.calls("ListSpeechSynthesisTasks"):
        assert time.monotonic() - began < 30
        time.sleep(0.05)


def test_a_truncated_answer_contains_no_task_although_the_task_was_created(
    emulator: RunningEmulator, polly: Any
) -> None:
    emulator.faults.add("StartSpeechSynthesisTask", cut=True)
    answer = polly.start_speech_synthesis_task(
        Text="Hello", VoiceId="Amy", OutputFormat="mp3", OutputS3BucketName=emulator.bucket
    )
    assert "SynthesisTask" not in answer
    assert len(polly.list_speech_synthesis_tasks()["SynthesisTasks"]) == 1


def test_a_task_fails_with_the_given_reason(
    emulator: RunningEmulator, start_task: StartTask, wait_for_end: WaitForEnd
) -> None:
    emulator.faults.add("StartSpeechSynthesisTask", fail_task="The voice was hoarse")
    task = wait_for_end(start_task()["TaskId"])
    assert (task["TaskStatus"], task["TaskStatusReason"]) == ("failed", "The voice was hoarse")


def test_a_denied_operation_stays_denied_until_the_faults_are_cleared(
    emulator: RunningEmulator, polly: Any
) -> None:
    emulator.faults.deny("ListSpeechSynthesisTasks")
    for _ in range(3):
        with pytest.raises(ClientError, match="AccessDeniedException") as caught:
            polly.list_speech_synthesis_tasks()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    emulator.faults.clear()
    assert polly.list_speech_synthesis_tasks()


def test_calls_over_the_quota_are_throttled(emulator: RunningEmulator, polly: Any) -> None:
    emulator.set_quotas({"read-tasks": (1, 3)})
    outcomes = []
    for _ in range(10):
        try:
            polly.list_speech_synthesis_tasks()
            outcomes.append("ok")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
    assert outcomes[:3] == ["ok"] * 3
    assert "ThrottlingException" in outcomes


def admin(
    emulator: RunningEmulator,
    method: str,
    path: str,
    document: Any = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """Send a request to the admin path, and return the HTTP status and the JSON of the answer."""
    request = urllib.request.Request(
        f"{emulator.endpoint_url}/_emulator{path}",
        method=method,
        data=None if document is None else json.dumps(document).encode(),
        headers={"X-Polly-Emulator": "1"} if headers is None else headers,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_admin_path_sets_faults_tasks_clock_and_quotas_over_http(
    emulator: RunningEmulator, polly: Any
) -> None:
    fault = {"operation": "GetSpeechSynthesisTask", "error": "ServiceFailureException"}
    assert admin(emulator, "POST", "/faults", fault)[0] == 200
    _, seeded = admin(emulator, "POST", "/tasks", {"count": 2, "status": "scheduled", "ends_in_seconds": 9})
    task_id = seeded["TaskIds"][0]
    with pytest.raises(polly.exceptions.ServiceFailureException):
        polly.get_speech_synthesis_task(TaskId=task_id)
    assert admin(emulator, "POST", "/clock", {"advance_seconds": 10})[0] == 200
    assert polly.get_speech_synthesis_task(TaskId=task_id)["SynthesisTask"]["TaskStatus"] == "completed"
    assert admin(emulator, "GET", "/counters")[1] == {
        "GetSpeechSynthesisTask": {"ServiceFailureException": 1, "ok": 1}
    }
    assert admin(emulator, "DELETE", "/counters") == (200, {})
    assert admin(emulator, "PUT", "/quotas", {"read-tasks": [1, 1]}) == (200, {})
    assert admin(emulator, "GET", "/quotas")[1] == {"read-tasks": [1, 1]}


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({}, "/counters"),
        ({"X-Polly-Emulator": "1", "Host": "evil.example"}, "/counters"),
        ({"X-Polly-Emulator": "1", "Host": "evil.example:80"}, "/faults"),
    ],
)
def test_the_admin_path_rejects_requests_that_a_web_page_can_send(
    emulator: RunningEmulator, headers: dict[str, str], path: str
) -> None:
    assert admin(emulator, "GET", path, headers=headers)[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "document", "status"),
    [
        ("POST", "/faults", {"operation": "x"}, 400),
        ("POST", "/faults", {"nonsense": 1}, 400),
        ("POST", "/faults", {"operation": "x", "drop": "sideways"}, 400),
        ("POST", "/tasks", {"status": "asleep"}, 400),
        ("POST", "/tasks", {"members": None}, 400),
        ("POST", "/clock", {}, 400),
        ("POST", "/clock", {"advance_seconds": -1}, 400),
        ("POST", "/clock", {"advance_seconds": float("nan")}, 400),
        ("POST", "/clock", {"advance_seconds": float("inf")}, 400),
        ("POST", "/faults", {"operation": "*", "delay_seconds": float("nan")}, 400),
        ("POST", "/tasks", {"count": -1}, 400),
        ("POST", "/tasks", {"age_seconds": -1}, 400),
        ("POST", "/tasks", {"ends_in_seconds": float("nan")}, 400),
        ("PUT", "/quotas", {"voices": 1}, 400),
        ("PUT", "/quotas", {"reads": [1, 1]}, 400),
        ("GET", "/nothing", None, 404),
    ],
)
def test_an_invalid_admin_request_is_rejected(
    emulator: RunningEmulator, method: str, path: str, document: Any, status: int
) -> None:
    assert admin(emulator, method, path, document)[0] == status


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"operation": "GetSpeechSynthesisTsk", "error": "ThrottlingException"}, "GetSpeechSynthesisTask"),
        ({"operation": "*", "error": "ThrottlingException", "status": 42}, "400 to 599"),
        ({"operation": "*"}, "needs at least one of"),
        ({"operation": "*", "error": "ThrottlingException", "times": 0}, "at least 1"),
        ({"operation": "*", "error": "ThrottlingException", "times": "3"}, "at least 1"),
        ({"operation": "*", "delay_seconds": "1"}, "delay_seconds"),
        ({"operation": "*", "error": 5}, "error class"),
        ({"operation": "*", "page": 5}, "string"),
        ({"operation": "*", "page": "<html>", "status": 100}, "200 to 599"),
        ({"operation": "*", "error": "Two\r\nLines"}, "error class"),
        ({"operation": "GetSpeechSynthesisTask", "fail_task": "why"}, "StartSpeechSynthesisTask"),
    ],
)
def test_a_fault_without_a_possible_effect_is_rejected(
    emulator: RunningEmulator, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        emulator.faults.add(**settings)
