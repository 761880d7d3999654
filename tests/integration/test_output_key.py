"""``output_s3_key`` in whole DAGs against the emulator: the object's own name, in each way to wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.handlers
import pytest
from airflow.providers.common.compat.sdk import DAG, task
from botocore.awsrequest import AWSResponse

from airflow_polly_provider.operators import output_object
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
from airflow_polly_provider.synthesis_task import OWN_XCOM_KEYS
from tests.integration.killed_output_key import KEY, TEXT, operator
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import FinishedRun

    Runner = Callable[[DAG], FinishedRun]

LEXICON = (
    '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" '
    'xml:lang="en-GB"><lexeme><grapheme>zebra</grapheme><alias>{alias}</alias></lexeme></lexicon>'
)
START = "StartSpeechSynthesisTask"
IN_WORKER: dict[str, Any] = {"deferrable": False}
DEFERRED: dict[str, Any] = {"deferrable": True}
each_wait = pytest.mark.parametrize("mode", [IN_WORKER, DEFERRED], ids=["in worker", "deferred"])


class KilledError(Exception):
    """Ends the operator where it is: it catches nothing of the kind."""


class S3Calls:
    """Sees every S3 request of the process, and can end or refuse one of them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.denied: set[str] = set()
        self.kill_at: tuple[str, int] | None = None
        self.meanwhile: tuple[str, Callable[[], Any]] | None = None

    def before(self, model: Any, **_: Any) -> None:
        self.names.append(model.name)
        self._interrupt("before")

    def after(self, **_: Any) -> None:
        self._interrupt("after")

    def _interrupt(self, when: str) -> None:
        if self.meanwhile is not None and self.meanwhile[0] == when:
            (_, work), self.meanwhile = self.meanwhile, None
            work()
        if self.kill_at == (when, len(self.names)):
            self.kill_at = None
            raise KilledError(f"{when} {self.names[-1]}, the process was killed")

    def send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        operation = event_name.rpartition(".")[2]
        if operation not in self.denied:
            return None
        body = b"" if operation == "HeadObject" else b"<Error><Code>AccessDenied</Code></Error>"
        return AWSResponse(request.url, 403, {}, _Raw(body))


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Any:
        yield self._body


@pytest.fixture
def s3_calls(monkeypatch: pytest.MonkeyPatch) -> S3Calls:
    calls = S3Calls()
    ours = [
        ("before-call.s3", calls.before),
        ("after-call.s3", calls.after),
        ("before-send.s3", calls.send),
    ]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [*botocore.handlers.BUILTIN_HANDLERS, *ours])
    return calls


@pytest.fixture
def polly(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> RunningEmulator:
    emulator.reset()
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__START_LOOK_SECONDS", "0.2")
    return emulator


def new_dag() -> DAG:
    return DAG(f"naming_{time.time_ns()}", start_date=datetime(2025, 1, 1, tzinfo=UTC), schedule=None)


def arguments(polly: RunningEmulator, **given: Any) -> dict[str, Any]:
    return {
        "task_id": "start",
        "text": TEXT,
        "voice_id": "Amy",
        "output_s3_bucket_name": polly.bucket,
        "output_s3_key_prefix": "working/{{ run_id | replace(':', '-') }}/",
        "output_s3_key": KEY,
        "poke_interval": 0.2,
        "retries": 0,
        "retry_delay": timedelta(0),
    } | given


def start_dag(polly: RunningEmulator, **given: Any) -> DAG:
    with new_dag() as dag:
        PollyStartSpeechSynthesisTaskOperator(**arguments(polly, **given))
    return dag


def s3_of(polly: RunningEmulator) -> Any:
    return boto3.client("s3", **polly.client_settings)


def keys(polly: RunningEmulator) -> list[str]:
    listed = s3_of(polly).list_objects_v2(Bucket=polly.bucket)
    return [each["Key"] for each in listed.get("Contents", [])]


def starts(polly: RunningEmulator) -> int:
    return polly.counters.calls(START, "ok")


def assert_hands_over(
    run: FinishedRun, polly: RunningEmulator, *, key: str = KEY, characters: int = len(TEXT)
) -> dict[str, Any]:
    xcoms = run.xcoms("start")
    value = xcoms.pop("return_value")
    assert xcoms == {name: value[name] for name in OWN_XCOM_KEYS}
    assert value["TaskStatus"] == "completed"
    assert value["OutputUri"] == f"https://s3.us-east-1.amazonaws.com/{polly.bucket}/{key}"
    assert value["OutputS3Uri"] == f"s3://{polly.bucket}/{key}"
    assert value["RequestCharacters"] == characters
    assert value["VoiceId"] == "Amy"
    assert len(value["RequestDigest"]) == 64
    assert datetime.fromisoformat(value["CreationTime"]).tzinfo is not None
    head = s3_of(polly).head_object(Bucket=polly.bucket, Key=key)
    assert head["Metadata"]["polly-task-id"] == value["TaskId"]
    return value


class TestKey:
    @each_wait
    def test_is_the_objects_and_pollys_own_is_gone(
        self, polly: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        run = run_dag(start_dag(polly, **mode))
        assert run.task("start") == ("success", 1), run.output
        value = assert_hands_over(run, polly)
        assert "Unchanged" not in value
        assert keys(polly) == [KEY]
        head = s3_of(polly).head_object(Bucket=polly.bucket, Key=KEY)
        assert (head["ContentType"], head["ContentLength"] > 1000) == ("audio/mpeg", True)
        assert TEXT not in json.dumps(head["Metadata"])

    @each_wait
    def test_keeps_the_original_where_told(
        self, polly: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        run = run_dag(start_dag(polly, keep_original=True, **mode))
        value = assert_hands_over(run, polly)
        (original,) = set(keys(polly)) - {KEY}
        assert original.startswith("working/")
        assert value["TaskId"] in original

    def test_takes_any_characters(self, polly: RunningEmulator, run_dag: Runner) -> None:
        key = "Épisode 1/été & hiver?.mp3"
        run = run_dag(start_dag(polly, output_s3_key=key))
        assert run.task("start") == ("success", 1), run.output
        assert_hands_over(run, polly, key=key)
        assert keys(polly) == [key]

    @each_wait
    def test_is_each_mapped_tasks_own(
        self, polly: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        common = arguments(polly, **mode)
        del common["text"], common["output_s3_key"]
        with new_dag() as dag:

            @task
            def parts() -> list[dict[str, str]]:
                return [{"text": f"Part {n}.", "output_s3_key": f"parts/{n}.mp3"} for n in (1, 2)]

            start = PollyStartSpeechSynthesisTaskOperator.partial(**common).expand_kwargs(parts())

            @task
            def gather(values: list[dict[str, Any]]) -> list[str]:
                return [value["OutputS3Uri"] for value in values]

            gather(start.output)
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert keys(polly) == ["parts/1.mp3", "parts/2.mp3"]
        made = [f"s3://{polly.bucket}/parts/{n}.mp3" for n in (1, 2)]
        assert run.xcoms("gather")["return_value"] == made

    def test_overwrites_what_another_run_put_there(self, polly: RunningEmulator, run_dag: Runner) -> None:
        dag = start_dag(polly)
        task_ids = [assert_hands_over(run_dag(dag), polly)["TaskId"] for _ in range(2)]
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
                "is one that Polly itself may write to",
            ),
        ],
        ids=["empty", "long", "URI", "Polly's own"],
    )
    def test_that_no_object_can_have_is_refused_before_any_request(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls, given: dict[str, Any], words: str
    ) -> None:
        run = run_dag(start_dag(polly, retries=2, **given))
        assert run.task("start") == ("failed", 1), run.output
        assert words in run.output
        assert (polly.counters.calls(START), s3_calls.names) == (0, [])


class TestCopy:
    def test_is_made_in_parts_when_large(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(output_object, "COPY_PART_BYTES", 1024)
        run = run_dag(start_dag(polly))
        assert run.task("start") == ("success", 1), run.output
        assert_hands_over(run, polly)
        assert keys(polly) == [KEY]
        assert {"CreateMultipartUpload", "UploadPartCopy"} <= set(s3_calls.names)
        assert s3_of(polly).head_object(Bucket=polly.bucket, Key=KEY)["ContentType"] == "audio/mpeg"

    @each_wait
    @pytest.mark.parametrize(
        ("operation", "action"),
        [("CopyObject", "s3:PutObject on output_s3_key"), ("DeleteObject", "Allow s3:DeleteObject")],
    )
    def test_that_is_denied_is_made_up_for_by_the_next_try(
        self,
        polly: RunningEmulator,
        run_dag: Runner,
        s3_calls: S3Calls,
        mode: dict[str, Any],
        operation: str,
        action: str,
    ) -> None:
        s3_calls.denied.add(operation)

        def allow(context: Any) -> None:
            s3_calls.denied.clear()

        run = run_dag(start_dag(polly, retries=1, on_retry_callback=allow, **mode))
        assert run.task("start") == ("success", 2), run.output
        assert action in run.output
        assert "What Polly wrote lies at https://s3.us-east-1.amazonaws.com/" in run.output
        assert "The next try of this task takes it up and pays nothing" in run.output
        assert_hands_over(run, polly)
        assert (keys(polly), starts(polly)) == ([KEY], 1)

    def test_that_stays_denied_loses_nothing(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls
    ) -> None:
        s3_calls.denied.add("CopyObject")
        run = run_dag(start_dag(polly, retries=2))
        assert run.task("start") == ("failed", 3), run.output
        assert starts(polly) == 1
        (original,) = keys(polly)
        assert original.startswith("working/")
        assert original in run.output

    def test_without_durable_says_what_a_retry_costs(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls
    ) -> None:
        s3_calls.denied.add("CopyObject")
        run = run_dag(start_dag(polly, durable=False))
        assert "durable=False: the next try starts, and pays, afresh" in run.output

    def test_is_not_paid_for_where_s3_does_not_let_us_look(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls
    ) -> None:
        s3_calls.denied.add("HeadObject")
        run = run_dag(start_dag(polly, retries=2))
        assert run.task("start") == ("failed", 1), run.output
        assert "Allow s3:GetObject on it, and s3:ListBucket" in run.output
        assert polly.counters.calls(START) == 0

    def test_of_an_object_that_someone_else_removed_says_so(
        self, polly: RunningEmulator, run_dag: Runner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def remove(*_: Any) -> None:
            polly._server.app.service.aws.empty_bucket(polly.bucket, polly.region)

        monkeypatch.setattr(
            PollyStartSpeechSynthesisTaskOperator, "_settle", _after(remove, "_settle"), raising=True
        )
        run = run_dag(start_dag(polly))
        assert run.task("start") == ("failed", 1)
        assert "but its object is gone from s3://" in run.output


def _after(first: Callable[..., None], name: str) -> Callable[..., Any]:
    original = getattr(PollyStartSpeechSynthesisTaskOperator, name)

    def both(*given: Any, **named: Any) -> Any:
        first()
        return original(*given, **named)

    return both


CALLS = ["HeadObject", "HeadObject", "HeadObject", "CopyObject", "DeleteObject"]
COPY = CALLS.index("CopyObject") + 1


class TestCrash:
    def test_points_are_all_there_are(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls
    ) -> None:
        run_dag(start_dag(polly))
        assert s3_calls.names == CALLS

    @pytest.mark.parametrize(
        ("when", "number"),
        [(when, number + 1) for number in range(len(CALLS)) for when in ("before", "after")],
    )
    def test_at_any_s3_call_leaves_one_object_paid_once(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls, when: str, number: int
    ) -> None:
        self.crash_and_retry(polly, run_dag, s3_calls, when, number, IN_WORKER)
        assert (keys(polly), starts(polly)) == ([KEY], 1)

    @pytest.mark.parametrize(("when", "number"), [("before", COPY), ("after", COPY), ("after", COPY + 1)])
    def test_on_resume_leaves_one_object_paid_once(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls, when: str, number: int
    ) -> None:
        self.crash_and_retry(polly, run_dag, s3_calls, when, number, DEFERRED)
        assert (keys(polly), starts(polly)) == ([KEY], 1)

    @pytest.mark.parametrize(("when", "paid"), [("before", 2), ("after", 1)])
    def test_without_durable_is_paid_once_when_copied(
        self, polly: RunningEmulator, run_dag: Runner, s3_calls: S3Calls, when: str, paid: int
    ) -> None:
        self.crash_and_retry(polly, run_dag, s3_calls, when, COPY, IN_WORKER, durable=False)
        assert KEY in keys(polly)
        assert starts(polly) == paid

    def crash_and_retry(
        self,
        polly: RunningEmulator,
        run_dag: Runner,
        s3_calls: S3Calls,
        when: str,
        number: int,
        mode: dict[str, Any],
        **given: Any,
    ) -> None:
        s3_calls.kill_at = (when, number)
        run = run_dag(start_dag(polly, retries=1, skip_if_unchanged=True, **mode, **given))
        assert run.task("start") == ("success", 2), run.output
        assert "the process was killed" in run.output
        assert assert_hands_over(run, polly)["Unchanged"] is False

    @each_wait
    def test_before_xcoms_is_reported_as_what_was_paid(
        self, polly: RunningEmulator, run_dag: Runner, monkeypatch: pytest.MonkeyPatch, mode: dict[str, Any]
    ) -> None:
        crashes = iter([True])

        def crash(*_: Any) -> None:
            if next(crashes, False):
                raise KilledError("the process was killed")

        monkeypatch.setattr(PollyStartSpeechSynthesisTaskOperator, "_hand_over", _after(crash, "_hand_over"))
        run = run_dag(start_dag(polly, retries=1, skip_if_unchanged=True, **mode))
        assert run.task("start") == ("success", 2), run.output
        assert assert_hands_over(run, polly)["Unchanged"] is False
        assert (keys(polly), starts(polly)) == ([KEY], 1)


class TestUnchanged:
    @each_wait
    def test_is_not_paid_for_again(
        self, polly: RunningEmulator, run_dag: Runner, mode: dict[str, Any]
    ) -> None:
        dag = start_dag(polly, skip_if_unchanged=True, **mode)
        first = assert_hands_over(run_dag(dag), polly)
        again = assert_hands_over(run_dag(dag), polly, characters=0)
        assert (first["Unchanged"], again["Unchanged"]) == (False, True)
        assert again["TaskId"] == first["TaskId"]
        assert (keys(polly), starts(polly)) == ([KEY], 1)

    def test_is_known_without_polly(self, polly: RunningEmulator, run_dag: Runner) -> None:
        """Polly forgets a synthesis task after 72 hours."""
        dag = start_dag(polly, skip_if_unchanged=True)
        run_dag(dag)
        polly.faults.deny("*")
        assert assert_hands_over(run_dag(dag), polly, characters=0)["Unchanged"] is True

    def test_is_what_was_made_without_the_asking(self, polly: RunningEmulator, run_dag: Runner) -> None:
        run_dag(start_dag(polly))
        run = run_dag(start_dag(polly, skip_if_unchanged=True))
        assert assert_hands_over(run, polly, characters=0)["Unchanged"] is True

    @pytest.mark.parametrize(
        "change",
        [{"text": TEXT.replace("Zebras", "Camels")}, {"sample_rate": 8000}, {"output_format": "ogg_vorbis"}],
        ids=str,
    )
    def test_is_nothing_that_would_sound_otherwise(
        self, polly: RunningEmulator, run_dag: Runner, change: dict[str, Any]
    ) -> None:
        run_dag(start_dag(polly, skip_if_unchanged=True))
        value = assert_hands_over(run_dag(start_dag(polly, skip_if_unchanged=True, **change)), polly)
        assert value["Unchanged"] is False
        assert starts(polly) == 2

    def test_is_not_what_something_else_put_there(self, polly: RunningEmulator, run_dag: Runner) -> None:
        s3_of(polly).put_object(Bucket=polly.bucket, Key=KEY, Body=b"", Metadata={"polly-task-id": "mine"})
        value = assert_hands_over(run_dag(start_dag(polly, skip_if_unchanged=True)), polly)
        assert value["Unchanged"] is False

    def test_is_no_lexicon_that_says_something_else(self, polly: RunningEmulator, run_dag: Runner) -> None:
        client: Any = boto3.client("polly", **polly.client_settings)  # type: ignore[call-overload]  # keywords
        dag = start_dag(polly, skip_if_unchanged=True, lexicon_names=["names"])
        unchanged = []
        for alias in ("horse", "horse", "striped horse"):
            client.put_lexicon(Name="names", Content=LEXICON.format(alias=alias))
            unchanged.append(run_dag(dag).xcoms("start")["return_value"]["Unchanged"])
        assert unchanged == [False, True, False]

    def test_needs_to_read_the_lexicons(self, polly: RunningEmulator, run_dag: Runner) -> None:
        polly.faults.deny("GetLexicon")
        run = run_dag(start_dag(polly, skip_if_unchanged=True, lexicon_names=["names"], retries=1))
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
    def test_leaves_a_next_try_that_pays_nothing(
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
    def test_of_one_run_agree_on_one_object(
        self, polly: RunningEmulator, s3_calls: S3Calls, monkeypatch: pytest.MonkeyPatch, when: str
    ) -> None:
        """The next try copies and removes before, or just after, this one has found the original."""
        late = operator(polly.bucket)
        original_settle = PollyStartSpeechSynthesisTaskOperator._settle

        def overtaken(self: Any, *given: Any) -> Any:
            if self is late:
                s3_calls.meanwhile = (when, lambda: execute(operator(polly.bucket), context(try_number=2)))
            return original_settle(self, *given)

        monkeypatch.setattr(PollyStartSpeechSynthesisTaskOperator, "_settle", overtaken)
        value = execute(late, context(try_number=1))
        assert value["OutputS3Uri"] == f"s3://{polly.bucket}/{KEY}"
        assert (keys(polly), starts(polly)) == ([KEY], 1)
