"""The operator for SynthesizeSpeech in whole DAGs against the emulator: destinations and outcomes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from botocore.exceptions import ClientError

from airflow_polly_provider.aws import connection
from airflow_polly_provider.compat import ObjectStoragePath, task
from airflow_polly_provider.emulator.speech.worker import speech_available
from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator
from airflow_polly_provider.results.speech import SPEECH_XCOM_KEYS
from tests.integration.aws_clients import client_of
from tests.integration.dag_builder import TEXT, new_dag, output_of
from tests.integration.dag_runs import first_module_of
from tests.unit.support import execute

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.compat import DAG
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

SPEAK = "SynthesizeSpeech"
KEY = "audio/zebras.mp3"
needs_speech = pytest.mark.skipif(not speech_available(), reason="the speech extra is not installed")
BREAK = 'a. <break time="10s"/>'

pytestmark = pytest.mark.usefixtures("short_waits")


def to_s3(emulator: RunningEmulator) -> dict[str, Any]:
    return {"output_s3_bucket_name": emulator.bucket, "output_s3_key": KEY}


def speak_dag(**changes: Any) -> DAG:
    """Return a DAG with one operator that speaks a short text, without retries."""
    arguments: dict[str, Any] = {"text": TEXT, "voice_id": "Amy", "retries": 0, "retry_delay": timedelta(0)}
    with new_dag("speaking") as dag:
        PollySynthesizeSpeechOperator(task_id="speak", **arguments | changes)
    return dag


def exists(s3: Any, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True


@pytest.fixture
def clean_bucket(speaking_emulator: RunningEmulator, s3: Any) -> str:
    for each in s3.list_objects_v2(Bucket=speaking_emulator.bucket).get("Contents", []):
        s3.delete_object(Bucket=speaking_emulator.bucket, Key=each["Key"])
    return speaking_emulator.bucket


class TestS3Destination:
    def test_gets_the_complete_audio(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, clean_bucket: str
    ) -> None:
        run = run_dag(speak_dag(engine="neural", sample_rate=44100, **to_s3(speaking_emulator)))
        assert run.task("speak") == ("success", 1), run.output

        stored = s3.get_object(Bucket=clean_bucket, Key=KEY)
        assert stored["ContentType"] == "audio/mpeg"
        with client_of(speaking_emulator, "polly") as polly:
            spoken = polly.synthesize_speech(
                Text=TEXT, VoiceId="Amy", OutputFormat="mp3", Engine="neural", SampleRate="44100"
            )
            assert stored["Body"].read() == spoken["AudioStream"].read()

        xcoms = run.xcoms("speak")
        value = xcoms.pop("return_value")
        assert value == {
            "Engine": "neural",
            "OutputFormat": "mp3",
            "SampleRate": "44100",
            "VoiceId": "Amy",
            "OutputUri": f"{speaking_emulator.endpoint_url}/{clean_bucket}/{KEY}",
            "OutputS3Uri": f"s3://{clean_bucket}/{KEY}",
            "RequestCharacters": len(TEXT),
            "SpokenCharacters": len(TEXT),
            "DurationSeconds": xcoms["DurationSeconds"],
            "ContentType": "audio/mpeg",
        }
        connection = xcoms.pop("AwsConnection", None)
        assert (connection is None) == ("OutputS3Uri" not in value)
        assert xcoms == {key: value[key] for key in SPEECH_XCOM_KEYS if key != "EstimatedCost"}
        assert f"Synthesized {len(TEXT)} billed characters to s3://{clean_bucket}/{KEY}: " in run.output
        assert TEXT not in run.output
        assert TEXT not in json.dumps(value)

    @pytest.mark.parametrize("connection", ["", "aws_default@"])
    def test_can_be_given_as_output_path(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, clean_bucket: str, connection: str
    ) -> None:
        given = ObjectStoragePath(f"s3://{connection}{clean_bucket}/{KEY}") if connection else None
        run = run_dag(speak_dag(output_path=given or f"s3://{clean_bucket}/{KEY}"))
        assert run.task("speak") == ("success", 1), run.output
        assert run.xcoms("speak")["OutputS3Uri"] == f"s3://{clean_bucket}/{KEY}"
        assert exists(s3, clean_bucket, KEY)

    @pytest.mark.parametrize(("key", "asset"), [(KEY, KEY), ("Zürich#2.mp3", "Z%C3%BCrich%232.mp3")])
    def test_object_is_reported_as_one_asset_to_hook_lineage(
        self,
        speaking_emulator: RunningEmulator,
        clean_bucket: str,
        monkeypatch: pytest.MonkeyPatch,
        key: str,
        asset: str,
    ) -> None:
        lineage = first_module_of("airflow.sdk.lineage", "airflow.lineage.hook")
        # Airflow's default collector stores nothing unless a plugin reads it.
        collector = lineage.HookLineageCollector()
        monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
        execute(
            PollySynthesizeSpeechOperator(
                task_id="speak",
                text=TEXT,
                voice_id="Amy",
                output_s3_bucket_name=clean_bucket,
                output_s3_key=key,
            )
        )
        reported = get_hook_lineage_collector().collected_assets.outputs
        assert [output.asset.uri for output in reported] == [f"s3://{clean_bucket}/{asset}"]

    def test_object_is_written_with_the_connection_in_the_path_and_nothing_is_spoken_without_it(
        self,
        speaking_emulator: RunningEmulator,
        run_dag: RunDag,
        clean_bucket: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(connection, "LOOK_UP_GRACE_SECONDS", 0.1)
        run = run_dag(speak_dag(output_path=f"s3://misspelt@{clean_bucket}/{KEY}"))
        assert run.task("speak") == ("failed", 1)
        assert "The connection 'misspelt' was not found" in run.output
        assert speaking_emulator.counters.calls(SPEAK) == 0

    def test_pushes_no_xcoms_with_do_xcom_push_false(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        run = run_dag(speak_dag(do_xcom_push=False, **to_s3(speaking_emulator)))
        assert run.task("speak") == ("success", 1), run.output
        assert run.xcoms("speak") == {}

    def test_a_missing_bucket_fails_without_retries(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        run = run_dag(speak_dag(output_s3_bucket_name="nowhere-at-all", output_s3_key=KEY, retries=2))
        assert run.task("speak") == ("failed", 1), run.output
        assert "s3://nowhere-at-all/audio/zebras.mp3: there is no such bucket" in run.output
        assert speaking_emulator.counters.calls(SPEAK) == 1


class TestFileOutput:
    def test_gets_the_complete_audio(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path
    ) -> None:
        path = tmp_path / "new folder" / "zebras.ogg"
        run = run_dag(speak_dag(output_path=f"file://{path}", output_format="ogg_vorbis"))
        assert run.task("speak") == ("success", 1), run.output
        assert path.read_bytes().startswith(b"OggS")
        assert [each.name for each in path.parent.iterdir()] == ["zebras.ogg"]
        xcoms = run.xcoms("speak")
        assert xcoms["OutputUri"] == f"file://{path}"
        assert xcoms["ContentType"] == "audio/ogg"
        assert "OutputS3Uri" not in xcoms

    def test_that_cannot_be_written_fails_before_any_request(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        run = run_dag(speak_dag(output_path=f"file://{tmp_path}/file/zebras.mp3"))
        assert run.task("speak") == ("failed", 1)
        assert speaking_emulator.counters.calls(SPEAK) == 0


class TestSpeechMarks:
    @needs_speech
    def test_are_stored_in_s3(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, clean_bucket: str
    ) -> None:
        marks = {"output_format": "json", "speech_mark_types": ["word"]}
        run = run_dag(speak_dag(**marks, **to_s3(speaking_emulator)))
        assert run.task("speak") == ("success", 1), run.output
        lines = s3.get_object(Bucket=clean_bucket, Key=KEY)["Body"].read().splitlines()
        assert [json.loads(line)["value"] for line in lines] == ["Zebras", "quietly", "juggle"]
        assert run.xcoms("speak")["ContentType"] == "application/x-json-stream"


class TestFailedRequest:
    @pytest.mark.parametrize("fault", [{"error": "ThrottlingException"}], ids=["throttled"])
    def test_is_retried_when_throttled(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, fault: dict[str, Any]
    ) -> None:
        speaking_emulator.faults.add(SPEAK, times=6, **fault)
        run = run_dag(speak_dag(**to_s3(speaking_emulator)))
        assert run.task("speak") == ("success", 1), run.output
        assert "Polly throttled the request" in run.output
        assert speaking_emulator.counters.calls(SPEAK, "ok") == 1

    @pytest.mark.parametrize(
        "fault",
        [
            {"error": "ServiceFailureException", "status": 500},
            {"drop": "after"},
        ],
        ids=["5xx", "lost answer"],
    )
    def test_is_not_retried_if_it_may_have_been_billed(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, fault: dict[str, Any]
    ) -> None:
        speaking_emulator.faults.add(SPEAK, times=1, **fault)
        run = run_dag(speak_dag(**to_s3(speaking_emulator)))
        assert run.task("speak") == ("failed", 1)
        assert sum(speaking_emulator.counters.snapshot()[SPEAK].values()) == 1

    def test_when_denied_fails_without_retries_and_names_the_permission(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        speaking_emulator.faults.deny(SPEAK)
        run = run_dag(speak_dag(retries=2, **to_s3(speaking_emulator)))
        assert run.task("speak") == ("failed", 1)
        assert "Allow polly:SynthesizeSpeech" in run.output

    @pytest.mark.parametrize("there_before", [False, True])
    def test_an_interrupted_stream_leaves_no_partial_output(
        self,
        speaking_emulator: RunningEmulator,
        run_dag: RunDag,
        s3: Any,
        clean_bucket: str,
        tmp_path: Path,
        there_before: bool,
    ) -> None:
        path = tmp_path / "zebras.mp3"
        if there_before:
            path.write_text("before")
            s3.put_object(Bucket=clean_bucket, Key=KEY, Body=b"before")
        for destination in (to_s3(speaking_emulator), {"output_path": f"file://{path}"}):
            speaking_emulator.faults.add(SPEAK, times=1, cut=True)
            run = run_dag(speak_dag(**destination))
            assert run.task("speak") == ("failed", 1)
            assert "PollyIncompleteAnswerError" in run.output
            assert "pays for it again" in run.output
        assert [each.name for each in tmp_path.iterdir()] == (["zebras.mp3"] if there_before else [])
        assert exists(s3, clean_bucket, KEY) == there_before
        if there_before:
            assert path.read_text() == "before"
            assert s3.get_object(Bucket=clean_bucket, Key=KEY)["Body"].read() == b"before"
        assert s3.list_multipart_uploads(Bucket=clean_bucket).get("Uploads", []) == []

    def test_the_retry_after_an_interrupted_stream_succeeds(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        speaking_emulator.faults.add(SPEAK, times=1, cut=True)
        run = run_dag(speak_dag(retries=1, **to_s3(speaking_emulator)))
        assert run.task("speak") == ("success", 2), run.output

    @needs_speech
    def test_large_audio_is_uploaded_in_parts_and_none_are_left_after_an_interruption(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, clean_bucket: str
    ) -> None:
        """An upload of 8 MiB or more (about four minutes of samples) has several parts."""
        breaks = BREAK * 28
        large = {"text": f"<speak>Go.{breaks}</speak>", "text_type": "ssml", "output_format": "pcm"}
        run = run_dag(speak_dag(**large, **to_s3(speaking_emulator)))
        assert run.task("speak") == ("success", 1), run.output
        size = s3.head_object(Bucket=clean_bucket, Key=KEY)["ContentLength"]
        assert size > 8 * 1024 * 1024
        s3.delete_object(Bucket=clean_bucket, Key=KEY)

        speaking_emulator.faults.add(SPEAK, times=1, cut=True)
        run = run_dag(
            speak_dag(
                **{**large, "text": large["text"].replace("Go.", f"Go.{breaks}")}, **to_s3(speaking_emulator)
            )
        )
        assert run.task("speak") == ("failed", 1)
        assert not exists(s3, clean_bucket, KEY)
        assert s3.list_multipart_uploads(Bucket=clean_bucket).get("Uploads", []) == []

    @needs_speech
    def test_audio_over_ten_minutes_logs_a_warning(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        text = f"<speak>Go.{BREAK * 62}</speak>"
        run = run_dag(
            speak_dag(text=text, text_type="ssml", output_format="mulaw", **to_s3(speaking_emulator))
        )
        assert run.task("speak") == ("success", 1), run.output
        assert "SynthesizeSpeech cuts audio at 600 s" in run.output


class TestSpokenText:
    def test_can_be_a_template_file(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag, tmp_path: Path
    ) -> None:
        (tmp_path / "gap.ssml").write_text("<speak>Mind the <emphasis>{{ 'gap' }}</emphasis></speak>")
        dag = speak_dag(text="gap.ssml", **to_s3(speaking_emulator))
        dag.template_searchpath = [str(tmp_path)]
        run = run_dag(dag)
        assert run.task("speak") == ("success", 1), run.output
        assert run.xcoms("speak")["RequestCharacters"] == len("Mind the gap")
        assert run.xcoms("speak")["return_value"]["TextType"] == "ssml"

    def test_over_the_limit_fails_before_any_request(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        for given in ({"text": "{{ 'x' * 3001 }}"}, {"max_request_characters": 10}):
            run = run_dag(speak_dag(retries=2, **given, **to_s3(speaking_emulator)))
            assert run.task("speak") == ("failed", 1)
        assert sum(speaking_emulator.counters.snapshot().get(SPEAK, {}).values()) == 0

    def test_that_is_malformed_ssml_fails_before_any_request(
        self, speaking_emulator: RunningEmulator, run_dag: RunDag
    ) -> None:
        given = {"text": "<speak>secret <p>words</speak>", "text_type": "ssml"}
        run = run_dag(speak_dag(retries=2, **given, **to_s3(speaking_emulator)))
        assert run.task("speak") == ("failed", 1)
        assert "mismatched tag at line 1, column 25" in run.output
        assert "secret" not in run.output
        assert sum(speaking_emulator.counters.snapshot().get(SPEAK, {}).values()) == 0


def test_mapped_tasks_speak_each_text_and_push_their_values(
    speaking_emulator: RunningEmulator, run_dag: RunDag, s3: Any, clean_bucket: str
) -> None:
    with new_dag("mapped") as dag:
        speak = PollySynthesizeSpeechOperator.partial(
            task_id="speak",
            voice_id="Amy",
            output_s3_bucket_name=clean_bucket,
            output_s3_key="numbers/{{ ti.map_index }}.mp3",
        ).expand(text=["One.", "Two two."])

        @task
        def gather(values: list[dict[str, Any]]) -> list[Any]:
            return [[value["OutputS3Uri"], value["RequestCharacters"]] for value in values]

        gather(output_of(speak))
    run = run_dag(dag)
    assert run.state == "success", run.output
    assert run.xcoms("gather")["return_value"] == [
        [f"s3://{clean_bucket}/numbers/0.mp3", 4],
        [f"s3://{clean_bucket}/numbers/1.mp3", 8],
    ]
