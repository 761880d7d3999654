"""The start operator in whole DAGs against the emulator, with each way to wait and each outcome."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.aws import connection
from airflow_polly_provider.compat import task
from airflow_polly_provider.emulator.testing import running_emulator
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from tests.integration.dag_builder import (
    DEFERRED,
    GET,
    IN_WORKER,
    NO_WAIT,
    START,
    TEXT,
    each_mode,
    each_waiting_mode,
    new_dag,
    output_of,
    start_arguments,
    start_dag,
)
from tests.integration.dag_runs import assert_pushes_synthesis_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag


@pytest.fixture(scope="module")
def slow_emulator_process() -> Iterator[RunningEmulator]:
    with running_emulator(scheduled_seconds=0, in_progress_seconds=3600, audio="none") as emulator:
        yield emulator


@pytest.fixture
def slow_emulator(slow_emulator_process: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    """Return an emulator whose synthesis tasks take an hour, as the connection ``aws_default``."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", slow_emulator_process.airflow_connection())
    return slow_emulator_process


def assert_pushes_the_request(xcoms: dict[str, Any], emulator: RunningEmulator, status: str) -> None:
    value = assert_pushes_synthesis_task(xcoms, status=status)
    assert value["RequestCharacters"] == len(TEXT)
    assert value["OutputS3Uri"].startswith(f"s3://{emulator.bucket}/audio/")
    assert value["TaskId"] in value["OutputS3Uri"]
    assert datetime.fromisoformat(value["CreationTime"]).tzinfo is not None


class TestModes:
    @each_mode
    def test_succeed_and_push_the_synthesis_task(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any], s3: Any
    ) -> None:
        """If the operator waits, the audio is in S3 afterwards."""
        run = run_dag(start_dag(speaking_emulator, **mode))
        assert run.task("start") == ("success", 1), run.output
        assert_pushes_the_request(
            run.xcoms("start"), speaking_emulator, "scheduled" if mode is NO_WAIT else "completed"
        )
        assert speaking_emulator.counters.calls(START) == 1
        if mode is not NO_WAIT:
            _, _, path = run.xcoms("start")["OutputS3Uri"].partition("s3://")
            bucket, _, key = path.partition("/")
            assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] > 1000

    def test_push_the_same_values_in_each_mode(self, emulator: RunningEmulator, run_dag: RunDag) -> None:
        values = [
            run_dag(start_dag(emulator, **mode)).xcoms("start")["return_value"]
            for mode in (NO_WAIT, IN_WORKER, DEFERRED)
        ]
        # dag.test() resumes a task only with the event, without the arguments of the deferral.
        own = {"TaskId", "CreationTime", "OutputUri", "OutputS3Uri", "RequestDigest"}
        shared = [{key: value[key] for key in value if key not in own} for value in values]
        assert shared[1] == shared[2]
        assert {**shared[0], "TaskStatus": "completed"} == shared[1]

    @each_mode
    def test_push_no_xcoms_with_do_xcom_push_false(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        run = run_dag(start_dag(emulator, do_xcom_push=False, **mode))
        assert run.task("start") == ("success", 1), run.output
        assert run.xcoms("start") == {}

    @each_mode
    @pytest.mark.parametrize(
        "fault",
        [{"error": "ThrottlingException"}, {"error": "ServiceFailureException", "status": 500}],
        ids=["throttled", "5xx"],
    )
    def test_succeed_after_failing_requests(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any], fault: dict[str, Any]
    ) -> None:
        emulator.faults.add(GET, times=2, **fault)
        if fault["error"] == "ThrottlingException":
            emulator.faults.add(START, times=1, **fault)
        run = run_dag(start_dag(emulator, **mode))
        assert run.task("start") == ("success", 1), run.output
        assert_pushes_the_request(
            run.xcoms("start"), emulator, "scheduled" if mode is NO_WAIT else "completed"
        )
        assert emulator.counters.calls(START, "ok") == 1

    @each_waiting_mode
    def test_fail_with_pollys_reason_and_name_the_permission_to_check(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        emulator.faults.add(START, fail_task="Access Denied for the output bucket")
        run = run_dag(start_dag(emulator, **mode))
        assert run.task("start") == ("failed", 1)
        xcoms = run.xcoms("start")
        assert (xcoms["TaskStatus"], xcoms["TaskStatusReason"]) == (
            "failed",
            "Access Denied for the output bucket",
        )
        assert "OutputUri" not in xcoms
        assert "PollySynthesisTaskFailedError" in run.output
        assert "failed: Access Denied for the output bucket." in run.output
        assert "s3:PutObject" in run.output

    def test_succeed_without_waiting_although_the_synthesis_task_fails(
        self, emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        emulator.faults.add(START, fail_task="Access Denied")
        assert run_dag(start_dag(emulator, **NO_WAIT)).task("start") == ("success", 1)

    @each_waiting_mode
    def test_start_a_new_synthesis_task_after_a_failed_one(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        emulator.faults.add(START, times=1, fail_task="An internal error")
        run = run_dag(start_dag(emulator, retries=1, **mode))
        assert run.task("start") == ("success", 2), run.output
        assert_pushes_the_request(run.xcoms("start"), emulator, "completed")
        assert emulator.counters.calls(START) == 2

    @each_waiting_mode
    def test_fail_at_the_timeout(
        self, slow_emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        run = run_dag(start_dag(slow_emulator, timeout=8, **mode))
        assert run.task("start") == ("failed", 1)
        assert "PollyWaitTimeoutError" in run.output
        assert "(last status: inProgress)" in run.output
        assert "billed" in run.output


INVALID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "empty text": ({"text": "{{ '' }}"}, ["text is empty"]),
    "long text": ({"text": "{{ 'x' * 100001 }}"}, ["100,001", "100,000"]),
    "sample rate": ({"sample_rate": "44100"}, ["sample_rate '44100'", "24000"]),
    "marks": ({"speech_mark_types": ["word"]}, ["speech_mark_types", "json"]),
    "prefix": ({"output_s3_key_prefix": "my audio/"}, ["output_s3_key_prefix", "no spaces"]),
    "bucket": (
        {"output_s3_bucket_name": "s3://bucket"},
        ["output_s3_bucket_name", "the name of an S3 bucket without s3:"],
    ),
    "malformed SSML": (
        {"text": "<speak>\n{{ 'secret' }} Q & A</speak>", "text_type": "ssml"},
        ["not well-formed XML", "at line 2, column 11", "&amp;"],
    ),
    "missing file": ({"text": "{{ 'no' }}/such.txt"}, ["no/such.txt", "template_searchpath"]),
}


class TestInvalidRequest:
    @pytest.mark.parametrize(("given", "words"), INVALID.values(), ids=INVALID)
    def test_fails_before_any_request_and_without_retries(
        self, emulator: RunningEmulator, run_dag: RunDag, given: dict[str, Any], words: list[str]
    ) -> None:
        run = run_dag(start_dag(emulator, retries=2, **given))
        assert run.task("start") == ("failed", 1), run.output
        assert emulator.counters.calls(START) == 0
        for word in words:
            assert word in run.output
        assert "secret" not in run.output

    @each_mode
    def test_ssml_that_polly_refuses_fails_without_retries(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        text = f"<speak><shout>{TEXT}</shout></speak>"
        run = run_dag(start_dag(emulator, text=text, text_type="ssml", retries=2, **mode))
        assert run.task("start") == ("failed", 1), run.output
        assert "InvalidSsmlException" in run.output
        assert TEXT not in run.output
        assert emulator.counters.calls(START) == 1

    @pytest.mark.parametrize("operation", [START, GET])
    @each_waiting_mode
    def test_denied_request_fails_without_retries_and_names_the_permission(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any], operation: str
    ) -> None:
        emulator.faults.deny(operation)
        run = run_dag(start_dag(emulator, retries=2, **mode))
        assert run.task("start") == ("failed", 1), run.output
        assert f"Allow polly:{operation}" in run.output
        assert "the connection 'aws_default' was found" in run.output

    def test_missing_region_fails_without_retries_and_names_the_setting(
        self, emulator: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nowhere = {"conn_type": "aws", "login": "x", "password": "y"}
        monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", json.dumps(nowhere))
        run = run_dag(start_dag(emulator, retries=2, aws_conn_id="nowhere"))
        assert run.task("start") == ("failed", 1), run.output
        assert "the connection 'nowhere' was found" in run.output
        assert "AWS_DEFAULT_REGION" in run.output

    def test_a_missing_connection_is_named_and_nothing_is_sent(
        self, emulator: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "LOOK_UP_GRACE_SECONDS", 0.1)
        run = run_dag(start_dag(emulator, aws_conn_id="misspelt", region_name="us-east-1"))
        assert run.task("start") == ("failed", 1), run.output
        assert (
            "The connection 'misspelt' was not found. No request was sent with other credentials"
            in run.output
        )


class TestSpokenText:
    @each_mode
    def test_is_not_in_logs_or_xcoms(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        run = run_dag(start_dag(emulator, **mode))
        assert run.task("start") == ("success", 1), run.output
        assert TEXT not in run.output
        assert TEXT not in json.dumps(run.xcoms("start"))

    @each_waiting_mode
    def test_is_not_in_the_log_of_a_failure(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        emulator.faults.add(START, fail_task="no")
        run = run_dag(start_dag(emulator, **mode))
        assert run.state == "failed"
        assert TEXT not in run.output


class TestComposition:
    @each_mode
    def test_later_tasks_use_single_values(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        with new_dag("composed") as dag:
            start = PollyStartSpeechSynthesisTaskOperator(**start_arguments(emulator, **mode))

            @task
            def later(uri: str, characters: int, whole: dict[str, Any]) -> list[Any]:
                return [uri, characters, whole["TaskId"]]

            output = output_of(start)
            later(output["OutputUri"], output["RequestCharacters"], output)
        run = run_dag(dag)
        assert run.task("later") == ("success", 1), run.output
        pushed = run.xcoms("start")
        assert run.xcoms("later")["return_value"] == [pushed["OutputUri"], len(TEXT), pushed["TaskId"]]

    @each_waiting_mode
    def test_uses_text_and_settings_of_earlier_tasks(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        with new_dag("composed") as dag:

            @task
            def write() -> dict[str, Any]:
                return {"text": "A longer sentence.", "marks": ["word", "sentence"]}

            written: Any = write()
            PollyStartSpeechSynthesisTaskOperator(
                **start_arguments(
                    emulator,
                    text=written["text"],
                    speech_mark_types=written["marks"],
                    output_format="json",
                    **mode,
                )
            )
        run = run_dag(dag)
        assert run.task("start") == ("success", 1), run.output
        assert run.xcoms("start")["RequestCharacters"] == len("A longer sentence.")
        assert run.xcoms("start")["OutputUri"].endswith(".marks")

    @each_mode
    def test_maps_over_literal_texts_and_over_texts_of_an_earlier_task(
        self, emulator: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        texts = ["One.", "Two two."]
        common = start_arguments(emulator, **mode)
        del common["text"], common["task_id"]
        with new_dag("composed") as dag:

            @task
            def make() -> list[str]:
                return texts

            PollyStartSpeechSynthesisTaskOperator.partial(task_id="given", **common).expand(text=texts)
            made = PollyStartSpeechSynthesisTaskOperator.partial(task_id="made", **common).expand(text=make())

            @task
            def gather(values: list[dict[str, Any]]) -> list[int]:
                return [value["RequestCharacters"] for value in values]

            gather(output_of(made))
        run = run_dag(dag)
        assert run.state == "success", run.output
        tasks = [run.xcoms(task_id, index) for task_id in ("given", "made") for index in range(2)]
        assert [pushed["RequestCharacters"] for pushed in tasks] == [len(text) for text in texts] * 2
        assert len({pushed["OutputS3Uri"].rpartition("/")[2].partition(".")[0] for pushed in tasks}) == 4
        assert run.xcoms("gather")["return_value"] == [len(text) for text in texts]

    def test_accepts_a_list_from_mapped_tasks(self, emulator: RunningEmulator, run_dag: RunDag) -> None:
        """A mapped task's output is a lazy sequence, which botocore does not accept as a list."""
        with new_dag("composed") as dag:

            @task
            def name_of(index: int) -> str:
                return ["word", "sentence"][index]

            names = name_of.expand(index=[0, 1])
            PollyStartSpeechSynthesisTaskOperator(
                **start_arguments(emulator, output_format="json", speech_mark_types=names)
            )
        run = run_dag(dag)
        assert run.task("start") == ("success", 1), run.output
