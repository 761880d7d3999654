"""``output_s3_key`` in whole DAGs against the emulator: the object gets the key that the user sets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import task
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.output import s3_access
from tests.integration.aws_clients import client_of
from tests.integration.dag_builder import (
    DEFERRED,
    IN_WORKER,
    START,
    TEXT,
    each_waiting_mode,
    new_dag,
    output_of,
    start_arguments,
    start_dag,
)
from tests.integration.dag_runs import assert_pushes_synthesis_task
from tests.integration.killed_output_key import KEY, operator
from tests.integration.s3_calls import KilledError
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun, RunDag
    from tests.integration.s3_calls import S3Calls

LEXICON = (
    '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" '
    'xml:lang="en-GB"><lexeme><grapheme>zebra</grapheme><alias>{alias}</alias></lexeme></lexicon>'
)

pytestmark = pytest.mark.usefixtures("short_waits")

CALLS = ["HeadObject", "HeadObject", "CopyObject", "DeleteObject"]
"""The S3 requests of one run, in order. The first one checks for an existing object before the start.

The request for the duration follows. An error there changes nothing, and a process that is killed there has
not pushed any XCom of the object, which another test covers.
"""
FIRST_AFTER_SYNTHESIS = 2
COPY = CALLS.index("CopyObject") + 1


@pytest.fixture
def polly(speaking_emulator: RunningEmulator) -> RunningEmulator:
    """Return the emulator with an empty bucket and without tasks of earlier tests."""
    speaking_emulator.reset()
    return speaking_emulator


def named_arguments(polly: RunningEmulator, **changes: Any) -> dict[str, Any]:
    """Return arguments for a start operator with ``output_s3_key``."""
    prefix = "working/{{ run_id | replace(':', '-') }}/"
    return start_arguments(polly, **{"output_s3_key_prefix": prefix, "output_s3_key": KEY} | changes)


def named_dag(polly: RunningEmulator, **changes: Any) -> DAG:
    """Return a DAG with one start operator that has ``output_s3_key``."""
    return start_dag(polly, **named_arguments(polly, **changes))


def keys(polly: RunningEmulator) -> list[str]:
    with client_of(polly, "s3") as s3:
        listed = s3.list_objects_v2(Bucket=polly.bucket)
    return [each["Key"] for each in listed.get("Contents", [])]


def head(polly: RunningEmulator, key: str) -> dict[str, Any]:
    with client_of(polly, "s3") as s3:
        found: dict[str, Any] = s3.head_object(Bucket=polly.bucket, Key=key)
    return found


def starts(polly: RunningEmulator) -> int:
    return polly.counters.calls(START, "ok")


def assert_pushes_the_object(
    run: FinishedRun, polly: RunningEmulator, *, key: str = KEY, characters: int = len(TEXT)
) -> dict[str, Any]:
    value = assert_pushes_synthesis_task(run.xcoms("start"), status="completed")
    assert value["OutputUri"] == f"https://s3.us-east-1.amazonaws.com/{polly.bucket}/{key}"
    assert value["OutputS3Uri"] == f"s3://{polly.bucket}/{key}"
    assert value["RequestCharacters"] == characters
    assert value["SpokenCharacters"] == (characters or len(TEXT))
    assert value["VoiceId"] == "Amy"
    assert len(value["RequestDigest"]) == 64
    assert datetime.fromisoformat(value["CreationTime"]).tzinfo is not None
    assert head(polly, key)["Metadata"]["polly-task-id"] == value["TaskId"]
    return value


class TestOutputKey:
    @each_waiting_mode
    def test_is_the_key_of_the_object_and_the_original_is_removed(
        self, polly: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        run = run_dag(named_dag(polly, **mode))
        assert run.task("start") == ("success", 1), run.output
        value = assert_pushes_the_object(run, polly)
        assert "Unchanged" not in value
        assert keys(polly) == [KEY]
        found = head(polly, KEY)
        assert (found["ContentType"], found["ContentLength"] > 1000) == ("audio/mpeg", True)
        assert TEXT not in json.dumps(found["Metadata"])

    @each_waiting_mode
    def test_keep_original_keeps_the_object_that_polly_wrote(
        self, polly: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        run = run_dag(named_dag(polly, keep_original=True, **mode))
        value = assert_pushes_the_object(run, polly)
        (original,) = set(keys(polly)) - {KEY}
        assert original.startswith("working/")
        assert value["TaskId"] in original

    def test_can_contain_any_characters(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        key = "Épisode 1/été & hiver?.mp3"
        run = run_dag(named_dag(polly, output_s3_key=key))
        assert run.task("start") == ("success", 1), run.output
        assert_pushes_the_object(run, polly, key=key)
        assert keys(polly) == [key]

    @each_waiting_mode
    def test_can_differ_for_each_mapped_task(
        self, polly: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        common = named_arguments(polly, **mode)
        del common["text"], common["output_s3_key"]
        with new_dag("naming") as dag:

            @task
            def parts() -> list[dict[str, str]]:
                return [{"text": f"Part {n}.", "output_s3_key": f"parts/{n}.mp3"} for n in (1, 2)]

            start = PollyStartSpeechSynthesisTaskOperator.partial(**common).expand_kwargs(parts())

            @task
            def gather(values: list[dict[str, Any]]) -> list[str]:
                return [value["OutputS3Uri"] for value in values]

            gather(output_of(start))
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert keys(polly) == ["parts/1.mp3", "parts/2.mp3"]
        made = [f"s3://{polly.bucket}/parts/{n}.mp3" for n in (1, 2)]
        assert run.xcoms("gather")["return_value"] == made

    def test_object_of_another_run_is_overwritten(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        dag = named_dag(polly)
        task_ids = [assert_pushes_the_object(run_dag(dag), polly)["TaskId"] for _ in range(2)]
        assert len(set(task_ids)) == 2
        assert starts(polly) == 2

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"output_s3_key": "{{ '' }}"}, "output_s3_key is empty"),
            ({"output_s3_key": "{{ 'é' * 513 }}"}, "1,026 bytes"),
            ({"output_s3_key": "s3://bucket/key.mp3"}, "output_s3_key 's3://bucket/key.mp3' is a URI"),
            (
                {
                    "output_s3_key": "audio.7e8d1036-b26e-498f-a8aa-a22527ddf6fa.mp3",
                    "output_s3_key_prefix": "audio",
                    "durable": False,
                },
                "has the form of Polly's own keys",
            ),
        ],
        ids=["empty", "long", "URI", "Polly's own"],
    )
    def test_invalid_key_fails_before_any_request(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls, given: dict[str, Any], words: str
    ) -> None:
        run = run_dag(named_dag(polly, retries=2, **given))
        assert run.task("start") == ("failed", 1), run.output
        assert words in run.output
        assert (polly.counters.calls(START), s3_calls.names) == (0, [])


class TestCopy:
    def test_of_a_large_object_is_made_in_parts(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3_access, "COPY_PART_BYTES", 1024)
        run = run_dag(named_dag(polly))
        assert run.task("start") == ("success", 1), run.output
        assert_pushes_the_object(run, polly)
        assert keys(polly) == [KEY]
        assert {"CreateMultipartUpload", "UploadPartCopy"} <= set(s3_calls.names)
        assert head(polly, KEY)["ContentType"] == "audio/mpeg"

    @each_waiting_mode
    @pytest.mark.parametrize(
        ("operation", "action"),
        [("CopyObject", "s3:PutObject on output_s3_key"), ("DeleteObject", "Allow s3:DeleteObject")],
    )
    def test_or_removal_that_is_denied_is_completed_by_the_next_try(
        self,
        polly: RunningEmulator,
        run_dag: RunDag,
        s3_calls: S3Calls,
        mode: dict[str, Any],
        operation: str,
        action: str,
    ) -> None:
        s3_calls.denied.add(operation)

        def allow(context: Any) -> None:
            s3_calls.denied.clear()

        run = run_dag(named_dag(polly, retries=1, on_retry_callback=allow, **mode))
        assert run.task("start") == ("success", 2), run.output
        assert action in run.output
        assert "The original is at https://s3.us-east-1.amazonaws.com/" in run.output
        assert "The next try of this task continues from there and pays nothing" in run.output
        assert_pushes_the_object(run, polly)
        assert (keys(polly), starts(polly)) == ([KEY], 1)

    def test_that_stays_denied_keeps_the_original(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls
    ) -> None:
        s3_calls.denied.add("CopyObject")
        run = run_dag(named_dag(polly, retries=2))
        assert run.task("start") == ("failed", 3), run.output
        assert starts(polly) == 1
        (original,) = keys(polly)
        assert original.startswith("working/")
        assert original in run.output

    def test_error_without_durable_says_that_a_retry_pays_again(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls
    ) -> None:
        s3_calls.denied.add("CopyObject")
        run = run_dag(named_dag(polly, durable=False))
        assert "With durable=False, the next try starts and pays for a new synthesis task" in run.output

    def test_denied_head_object_fails_before_the_start(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls
    ) -> None:
        s3_calls.denied.add("HeadObject")
        run = run_dag(named_dag(polly, retries=2))
        assert run.task("start") == ("failed", 1), run.output
        assert "Allow s3:GetObject on it, and s3:ListBucket" in run.output
        assert polly.counters.calls(START) == 0

    def test_of_an_object_that_was_removed_in_the_meantime_is_an_error(
        self, polly: RunningEmulator, run_dag: RunDag, s3: Any, s3_calls: S3Calls
    ) -> None:
        def remove() -> None:
            for key in keys(polly):
                s3.delete_object(Bucket=polly.bucket, Key=key)

        s3_calls.interrupt("before", FIRST_AFTER_SYNTHESIS, remove)
        run = run_dag(named_dag(polly))
        assert run.task("start") == ("failed", 1)
        assert "but its object is gone from s3://" in run.output


class TestCrash:
    def test_points_in_these_tests_cover_every_s3_request_of_a_run(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls
    ) -> None:
        run_dag(named_dag(polly))
        assert s3_calls.names == [*CALLS, "GetObject"]

    @pytest.mark.parametrize(
        ("when", "number"),
        [(when, number + 1) for number in range(len(CALLS)) for when in ("before", "after")],
    )
    def test_at_any_s3_request_leads_to_one_object_paid_once(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls, when: str, number: int
    ) -> None:
        self.crash_and_retry(polly, run_dag, s3_calls, when, number, IN_WORKER)
        assert (keys(polly), starts(polly)) == ([KEY], 1)

    @pytest.mark.parametrize(("when", "number"), [("before", COPY), ("after", COPY), ("after", COPY + 1)])
    def test_after_a_deferral_leads_to_one_object_paid_once(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls, when: str, number: int
    ) -> None:
        self.crash_and_retry(polly, run_dag, s3_calls, when, number, DEFERRED)
        assert (keys(polly), starts(polly)) == ([KEY], 1)

    @pytest.mark.parametrize(("when", "paid"), [("before", 2), ("after", 1)])
    def test_without_durable_is_paid_once_only_after_the_copy(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls, when: str, paid: int
    ) -> None:
        self.crash_and_retry(polly, run_dag, s3_calls, when, COPY, IN_WORKER, durable=False)
        assert KEY in keys(polly)
        assert starts(polly) == paid

    def crash_and_retry(
        self,
        polly: RunningEmulator,
        run_dag: RunDag,
        s3_calls: S3Calls,
        when: str,
        number: int,
        mode: dict[str, Any],
        **given: Any,
    ) -> None:
        s3_calls.kill(when, number)
        run = run_dag(named_dag(polly, retries=1, skip_if_unchanged=True, **mode, **given))
        assert run.task("start") == ("success", 2), run.output
        assert "the process was killed" in run.output
        assert assert_pushes_the_object(run, polly)["Unchanged"] is False

    @each_waiting_mode
    def test_before_the_first_xcom_of_the_object_leads_to_one_object_paid_once(
        self, polly: RunningEmulator, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, mode: dict[str, Any]
    ) -> None:
        killed: list[str] = []

        def kill_at_the_push(context: Any) -> None:
            task_instance = type(context["ti"])
            push = task_instance.xcom_push

            def killed_push(self: Any, key: str, value: Any, *given: Any, **named: Any) -> Any:
                if key == "OutputUri" and not killed:
                    killed.append(key)
                    raise KilledError("the process was killed")
                return push(self, key, value, *given, **named)

            monkeypatch.setattr(task_instance, "xcom_push", killed_push)

        run = run_dag(
            named_dag(polly, retries=1, skip_if_unchanged=True, pre_execute=kill_at_the_push, **mode)
        )
        assert len(killed) == 1
        assert run.task("start") == ("success", 2), run.output
        assert assert_pushes_the_object(run, polly)["Unchanged"] is False
        assert (keys(polly), starts(polly)) == ([KEY], 1)


class TestSkipIfUnchanged:
    @each_waiting_mode
    def test_second_run_pays_nothing(
        self, polly: RunningEmulator, run_dag: RunDag, mode: dict[str, Any]
    ) -> None:
        dag = named_dag(polly, skip_if_unchanged=True, **mode)
        first = assert_pushes_the_object(run_dag(dag), polly)
        again = assert_pushes_the_object(run_dag(dag), polly, characters=0)
        assert (first["Unchanged"], again["Unchanged"]) == (False, True)
        assert again["TaskId"] == first["TaskId"]
        assert (keys(polly), starts(polly)) == ([KEY], 1)

    def test_works_without_an_answer_from_polly(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        """Polly forgets a synthesis task after 72 hours."""
        dag = named_dag(polly, skip_if_unchanged=True)
        run_dag(dag)
        polly.faults.deny("*")
        assert assert_pushes_the_object(run_dag(dag), polly, characters=0)["Unchanged"] is True

    def test_applies_to_an_object_made_without_the_option(
        self, polly: RunningEmulator, run_dag: RunDag
    ) -> None:
        run_dag(named_dag(polly))
        run = run_dag(named_dag(polly, skip_if_unchanged=True))
        assert assert_pushes_the_object(run, polly, characters=0)["Unchanged"] is True

    @pytest.mark.parametrize(
        "change",
        [{"text": TEXT.replace("Zebras", "Camels")}, {"sample_rate": 8000}, {"output_format": "ogg_vorbis"}],
        ids=str,
    )
    def test_does_not_apply_to_another_text_rate_or_format(
        self, polly: RunningEmulator, run_dag: RunDag, change: dict[str, Any]
    ) -> None:
        run_dag(named_dag(polly, skip_if_unchanged=True))
        value = assert_pushes_the_object(run_dag(named_dag(polly, skip_if_unchanged=True, **change)), polly)
        assert value["Unchanged"] is False
        assert starts(polly) == 2

    def test_does_not_apply_to_an_object_with_another_origin(
        self, polly: RunningEmulator, run_dag: RunDag, s3: Any
    ) -> None:
        s3.put_object(Bucket=polly.bucket, Key=KEY, Body=b"", Metadata={"polly-task-id": "mine"})
        value = assert_pushes_the_object(run_dag(named_dag(polly, skip_if_unchanged=True)), polly)
        assert value["Unchanged"] is False

    def test_does_not_apply_to_an_object_whose_metadata_names_another_bucket(
        self, polly: RunningEmulator, run_dag: RunDag, s3: Any
    ) -> None:
        dag = named_dag(polly, skip_if_unchanged=True)
        run_dag(dag)
        metadata = head(polly, KEY)["Metadata"]
        metadata["polly-output-uri"] = metadata["polly-output-uri"].replace(polly.bucket, "another-bucket")
        s3.put_object(Bucket=polly.bucket, Key=KEY, Body=b"", Metadata=metadata)
        assert assert_pushes_the_object(run_dag(dag), polly)["Unchanged"] is False

    def test_does_not_apply_after_a_lexicon_changed(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        dag = named_dag(polly, skip_if_unchanged=True, lexicon_names=["names"])
        unchanged = []
        for alias in ("horse", "horse", "striped horse"):
            with client_of(polly, "polly") as client:
                client.put_lexicon(Name="names", Content=LEXICON.format(alias=alias))
            unchanged.append(run_dag(dag).xcoms("start")["return_value"]["Unchanged"])
        assert unchanged == [False, True, False]

    def test_fails_before_the_start_if_a_lexicon_cannot_be_read(
        self, polly: RunningEmulator, run_dag: RunDag
    ) -> None:
        polly.faults.deny("GetLexicon")
        run = run_dag(named_dag(polly, skip_if_unchanged=True, lexicon_names=["names"], retries=1))
        assert run.task("start") == ("failed", 1), run.output
        assert "Allow polly:GetLexicon" in run.output
        assert polly.counters.calls(START) == 0


class TestKilledProcess:
    @pytest.mark.parametrize(
        ("when", "operation"),
        [
            ("before", "CopyObject"),
            ("after", "CopyObject"),
            ("before", "DeleteObject"),
            ("after", "DeleteObject"),
        ],
    )
    def test_next_try_completes_the_copy_and_pays_nothing(
        self, polly: RunningEmulator, when: str, operation: str
    ) -> None:
        program = [sys.executable, "-m", "tests.integration.killed_output_key", polly.bucket, when, operation]
        killed = subprocess.run(
            program,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *filter(None, sys.path)])},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        assert starts(polly) == 1

        running = context(try_number=2)
        value = execute(operator(polly.bucket), running)
        assert value["OutputS3Uri"] == running["ti"].pushed["OutputS3Uri"] == f"s3://{polly.bucket}/{KEY}"
        assert value["RequestCharacters"] == len(TEXT)
        assert (keys(polly), starts(polly)) == ([KEY], 1)


class TestOverlappingTries:
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_of_one_run_produce_one_object(
        self, polly: RunningEmulator, s3_calls: S3Calls, when: str
    ) -> None:
        """The second try copies and removes the original just before or after the first try finds it."""

        def second_try() -> None:
            execute(operator(polly.bucket), context(try_number=2))

        s3_calls.interrupt(when, FIRST_AFTER_SYNTHESIS, second_try)
        value = execute(operator(polly.bucket), context(try_number=1))
        assert value["OutputS3Uri"] == f"s3://{polly.bucket}/{KEY}"
        assert (keys(polly), starts(polly)) == ([KEY], 1)
