"""``output_container="wav"`` of the start operator and the synthesize operator, against the emulator."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from botocore.exceptions import ClientError

from airflow_polly_provider.audio.wav import WavForm
from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.decorators.polly import polly_task
from airflow_polly_provider.exceptions import PollyIncompleteAnswerError, PollyOutputObjectError
from airflow_polly_provider.operators.polly import (
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)
from airflow_polly_provider.output import wav_speech
from airflow_polly_provider.output.multipart import StoredObject
from airflow_polly_provider.output.wav_copy import PART_BYTES, write_wav
from tests.integration.aws_clients import client_of
from tests.integration.dag_builder import (
    START,
    TEXT,
    each_waiting_mode,
    new_dag,
    start_arguments,
    start_dag,
)
from tests.integration.s3_calls import KilledError
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag
    from tests.integration.s3_calls import S3Calls

KEY = "prompts/greeting.wav"
LONG_TEXT = f"{TEXT} " * 450
SUBTYPES = {"pcm": "PCM_16", "mulaw": "ULAW", "alaw": "ALAW"}
MIB = 1024 * 1024

each_format = pytest.mark.parametrize(
    ("output_format", "rate"), [("pcm", 8000), ("pcm", 16000), ("mulaw", 8000), ("alaw", 8000)]
)

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def polly(speaking_emulator: RunningEmulator) -> RunningEmulator:
    """Return the emulator with an empty bucket and without tasks of earlier tests."""
    speaking_emulator.reset()
    return speaking_emulator


@pytest.fixture
def bucket(polly: RunningEmulator) -> Iterator[Bucket]:
    with client_of(polly, "s3") as client:
        bucket = Bucket(client, polly.bucket)
        for left in bucket.unfinished():
            client.abort_multipart_upload(Bucket=bucket.name, Key=left["Key"], UploadId=left["UploadId"])
        yield bucket


class Bucket:
    """The emulator's bucket, as a user sees it."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=self.name)
        return [each["Key"] for each in listed.get("Contents", [])]

    def has(self, key: str) -> bool:
        return key in self.keys()

    def get(self, key: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_object(Bucket=self.name, Key=key)
        return {**answer, "Body": answer["Body"].read()}

    def put(self, key: str, content: bytes) -> StoredObject:
        etag = self.client.put_object(Bucket=self.name, Key=key, Body=content)["ETag"]
        return StoredObject(S3Location(self.name, key), len(content), etag)

    def unfinished(self) -> list[Any]:
        """Return the multipart uploads that were neither completed nor aborted."""
        return list(self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", []))


def file_of(raw: bytes, output_format: str, rate: int) -> bytes:
    """Return the WAV file that must exist for Polly's raw samples."""
    form = WavForm(output_format=output_format, sample_rate=rate)
    return form.header(len(raw)) + raw + form.padding(len(raw))


def assert_readable(content: bytes, output_format: str, rate: int) -> None:
    with soundfile.SoundFile(io.BytesIO(content)) as opened:
        assert (opened.format, opened.subtype) == ("WAV", SUBTYPES[output_format])
        assert (opened.samplerate, opened.channels) == (rate, 1)
        assert len(opened.read()) == opened.frames > rate / 2


def start(polly: RunningEmulator, **changes: Any) -> PollyStartSpeechSynthesisTaskOperator:
    """Return a start operator that makes a WAV file."""
    return PollyStartSpeechSynthesisTaskOperator(**arguments(polly, **changes))


def arguments(polly: RunningEmulator, **changes: Any) -> dict[str, Any]:
    wav = {"output_format": "pcm", "output_container": "wav", "output_s3_key": KEY}
    return start_arguments(polly, **{"poke_interval": 0.2, **wav, **changes})


class TestStartOperator:
    @each_waiting_mode
    @each_format
    def test_writes_a_wav_file_with_the_samples_of_polly(
        self,
        polly: RunningEmulator,
        run_dag: RunDag,
        bucket: Bucket,
        mode: dict[str, Any],
        output_format: str,
        rate: int,
    ) -> None:
        given = {"output_format": output_format, "sample_rate": rate, "keep_original": True, **mode}
        run = run_dag(start_dag(polly, **arguments(polly, **given)))
        assert run.task("start") == ("success", 1), run.output

        value = run.xcoms("start")["return_value"]
        assert value["OutputS3Uri"] == f"s3://{polly.bucket}/{KEY}"
        assert (value["OutputFormat"], value["OutputContainer"]) == (output_format, "wav")
        (original,) = set(bucket.keys()) - {KEY}
        stored = bucket.get(KEY)
        assert stored["ContentType"] == "audio/wav"
        assert stored["Metadata"]["polly-task-id"] == value["TaskId"]
        assert stored["Body"] == file_of(bucket.get(original)["Body"], output_format, rate)
        assert_readable(stored["Body"], output_format, rate)
        length = soundfile.info(io.BytesIO(stored["Body"])).duration
        assert value["DurationSeconds"] == pytest.approx(length, abs=0.001)

    def test_uses_pollys_default_rate_and_removes_the_original(
        self, polly: RunningEmulator, bucket: Bucket
    ) -> None:
        execute(start(polly))
        assert bucket.keys() == [KEY]
        assert_readable(bucket.get(KEY)["Body"], "pcm", 16000)

    def test_does_not_download_all_samples_of_a_long_text(
        self, polly: RunningEmulator, bucket: Bucket, s3_calls: S3Calls
    ) -> None:
        execute(start(polly, text=LONG_TEXT, keep_original=True))
        (original,) = set(bucket.keys()) - {KEY}
        raw = bucket.get(original)["Body"]
        assert len(raw) > 2 * PART_BYTES
        assert bucket.get(KEY)["Body"] == file_of(raw, "pcm", 16000)
        assert s3_calls.names.count("UploadPartCopy") == 1
        assert bucket.unfinished() == []

    def test_decorated_function_can_make_a_wav_file(
        self, polly: RunningEmulator, run_dag: RunDag, bucket: Bucket
    ) -> None:
        given = arguments(polly, output_format="mulaw")
        del given["text"]
        with new_dag("decorated") as dag:
            polly_task(**given)(lambda: TEXT)()
        run = run_dag(dag)
        assert run.state == "success", run.output
        assert_readable(bucket.get(KEY)["Body"], "mulaw", 8000)


class TestSkipIfUnchanged:
    def test_sees_a_difference_between_raw_samples_and_a_wav_file(
        self, polly: RunningEmulator, bucket: Bucket
    ) -> None:
        def run(number: int, container: str | None) -> dict[str, Any]:
            operator = start(polly, output_container=container, skip_if_unchanged=True)
            value: dict[str, Any] = execute(operator, context(run_id=f"run {number}"))
            return value

        raw, wav, again, back = (run(*given) for given in enumerate([None, "wav", "wav", None]))
        assert [value["Unchanged"] for value in (raw, wav, again, back)] == [False, False, True, False]
        assert [value.get("OutputContainer") for value in (raw, wav, again, back)] == [
            None,
            "wav",
            "wav",
            None,
        ]
        assert polly.counters.calls(START, "ok") == 3
        assert bucket.get(KEY)["Body"][:4] != b"RIFF"
        assert len({value["DurationSeconds"] for value in (raw, wav, again, back)}) == 1

    def test_retry_with_another_container_does_not_take_the_object_of_the_earlier_try(
        self, polly: RunningEmulator, bucket: Bucket
    ) -> None:
        execute(start(polly, output_container=None), context(try_number=1))
        value = execute(start(polly), context(try_number=2))
        assert value["OutputContainer"] == "wav"
        assert_readable(bucket.get(KEY)["Body"], "pcm", 16000)


LONG_CALLS = [
    *("HeadObject", "HeadObject", "CreateMultipartUpload", "GetObject"),
    *("UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "DeleteObject"),
]
SHORT_CALLS = ["HeadObject", "HeadObject", "GetObject", "PutObject", "DeleteObject"]
CALLS = {"short": (TEXT, SHORT_CALLS), "long": (LONG_TEXT, LONG_CALLS)}


def test_an_upload_that_something_else_aborted_is_not_reported_as_a_lost_original(
    polly: RunningEmulator, bucket: Bucket, s3_calls: S3Calls
) -> None:
    s3_calls.without_upload.add("UploadPartCopy")
    with pytest.raises(PollyOutputObjectError, match=r"NoSuchUpload.*The original is at.*pays nothing"):
        execute(start(polly, text=LONG_TEXT))
    assert not bucket.has(KEY)
    s3_calls.without_upload.clear()
    execute(start(polly, text=LONG_TEXT), context(try_number=2))
    assert bucket.has(KEY)
    assert polly.counters.calls(START, "ok") == 1


class TestCrash:
    @pytest.mark.parametrize("length", ["short", "long"])
    def test_points_in_these_tests_cover_every_s3_request(
        self, polly: RunningEmulator, s3_calls: S3Calls, length: str
    ) -> None:
        text, calls = CALLS[length]
        execute(start(polly, text=text))
        assert s3_calls.names == [*calls, "HeadObject"]  # the last one reads the duration

    @pytest.mark.parametrize(
        ("length", "when", "number"),
        [
            (length, when, number + 1)
            for length, (_, calls) in CALLS.items()
            for number in range(len(calls))
            for when in ("before", "after")
        ],
    )
    def test_at_any_s3_request_leads_to_one_complete_file_paid_once(
        self, polly: RunningEmulator, bucket: Bucket, s3_calls: S3Calls, length: str, when: str, number: int
    ) -> None:
        text, calls = CALLS[length]
        s3_calls.kill(when, number)
        with pytest.raises(KilledError):
            execute(start(polly, text=text), context(try_number=1))
        # A process that is killed before it has read the upload's id cannot abort the upload.
        unknown = when == "after" and calls[number - 1] == "CreateMultipartUpload"
        assert len(bucket.unfinished()) == unknown
        write = len(calls) - 1
        assert bucket.has(KEY) == (number > write or (number == write and when == "after"))

        value = execute(start(polly, text=text), context(try_number=2))
        assert value["RequestCharacters"] == len(text)
        assert (bucket.keys(), polly.counters.calls(START, "ok")) == ([KEY], 1)
        content = bucket.get(KEY)["Body"]
        assert_readable(content, "pcm", 16000)
        assert content == file_of(content[44:], "pcm", 16000)

    @pytest.mark.parametrize("denied", ["GetObject", "UploadPart", "UploadPartCopy", "CreateMultipartUpload"])
    def test_denied_request_leaves_nothing_and_the_next_try_continues(
        self, polly: RunningEmulator, bucket: Bucket, s3_calls: S3Calls, denied: str
    ) -> None:
        s3_calls.denied.add(denied)
        with pytest.raises(PollyOutputObjectError, match=r"Allow s3:GetObject on the original, s3:PutObject"):
            execute(start(polly, text=LONG_TEXT), context(try_number=1))
        assert not bucket.has(KEY)
        assert bucket.unfinished() == []

        s3_calls.denied.clear()
        execute(start(polly, text=LONG_TEXT), context(try_number=2))
        assert (bucket.keys(), polly.counters.calls(START, "ok")) == ([KEY], 1)

    def test_abort_that_is_denied_logs_what_to_allow_and_raises_the_first_error(
        self, polly: RunningEmulator, bucket: Bucket, s3_calls: S3Calls, caplog: pytest.LogCaptureFixture
    ) -> None:
        s3_calls.denied |= {"UploadPart", "AbortMultipartUpload"}
        with pytest.raises(PollyOutputObjectError, match="UploadPart operation"):
            execute(start(polly, text=LONG_TEXT))
        assert "Allow s3:AbortMultipartUpload" in caplog.text


class TestCopyInS3:
    @pytest.mark.parametrize(
        "size",
        [0, 1, 2, 10 * MIB - 1, 10 * MIB, 10 * MIB + 1, 10 * MIB + 2, 20 * MIB - 1, 26 * MIB + 1],
    )
    @pytest.mark.parametrize("output_format", ["pcm", "mulaw"])
    def test_of_any_size_has_a_header_that_matches(
        self, bucket: Bucket, size: int, output_format: str
    ) -> None:
        raw = (bytes(range(251)) * (size // 251 + 1))[:size]
        samples = bucket.put("raw", raw)
        form = WavForm(output_format=output_format, sample_rate=8000)
        target = S3Location(bucket.name, KEY)
        metadata = {"polly-task-id": "1"}
        write_wav(bucket.client, samples, target, form, metadata=metadata, largest_part_bytes=10 * MIB)
        stored = bucket.get(KEY)
        assert stored["Body"] == file_of(raw, output_format, 8000)
        assert (stored["ContentType"], stored["Metadata"]) == ("audio/wav", metadata)
        assert bucket.unfinished() == []

    @pytest.mark.parametrize("size", [1000, 11 * MIB])
    def test_of_samples_that_were_replaced_is_an_error_and_writes_nothing(
        self, bucket: Bucket, size: int
    ) -> None:
        samples = bucket.put("raw", b"1" * size)
        bucket.put("raw", b"2" * (size - 2))
        form = WavForm(output_format="pcm", sample_rate=8000)
        with pytest.raises(ClientError, match="Precondition"):
            write_wav(
                bucket.client,
                samples,
                S3Location(bucket.name, KEY),
                form,
                metadata={},
                largest_part_bytes=10 * MIB,
            )
        assert bucket.keys() == ["raw"]
        assert bucket.unfinished() == []


def speak(**changes: Any) -> PollySynthesizeSpeechOperator:
    """Return a synthesize operator that makes a WAV file."""
    given: dict[str, Any] = {"text": TEXT, "voice_id": "Amy", "output_format": "pcm"}
    return PollySynthesizeSpeechOperator(task_id="speak", output_container="wav", **given | changes)


def samples_of_polly(polly: RunningEmulator, output_format: str, rate: int, text: str = TEXT) -> bytes:
    with client_of(polly, "polly") as client:
        answer = client.synthesize_speech(
            Text=text, VoiceId="Amy", OutputFormat=output_format, SampleRate=str(rate)
        )
        samples: bytes = answer["AudioStream"].read()
    return samples


class TestSynthesizeOperator:
    @each_format
    def test_writes_a_wav_file_to_s3(
        self, polly: RunningEmulator, bucket: Bucket, output_format: str, rate: int
    ) -> None:
        operator = speak(
            output_format=output_format,
            sample_rate=rate,
            output_s3_bucket_name=polly.bucket,
            output_s3_key=KEY,
        )
        value = execute(operator)
        assert value["ContentType"] == "audio/wav"
        assert (value["OutputFormat"], value["OutputContainer"]) == (output_format, "wav")
        stored = bucket.get(KEY)
        assert stored["ContentType"] == "audio/wav"
        assert stored["Body"] == file_of(samples_of_polly(polly, output_format, rate), output_format, rate)
        assert_readable(stored["Body"], output_format, rate)

    @each_format
    def test_writes_a_wav_file_to_a_file_system(
        self, polly: RunningEmulator, tmp_path: Path, output_format: str, rate: int
    ) -> None:
        path = tmp_path / "greeting.wav"
        execute(speak(output_format=output_format, sample_rate=rate, output_path=f"file://{path}"))
        assert path.read_bytes() == file_of(samples_of_polly(polly, output_format, rate), output_format, rate)
        assert_readable(path.read_bytes(), output_format, rate)

    @pytest.mark.parametrize("in_s3", [True, False])
    def test_longer_audio_passes_through_a_temporary_file(
        self,
        polly: RunningEmulator,
        bucket: Bucket,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        in_s3: bool,
    ) -> None:
        monkeypatch.setattr(wav_speech, "IN_MEMORY_BYTES", 1000)
        path = tmp_path / "greeting.wav"
        place = {"output_s3_bucket_name": polly.bucket, "output_s3_key": KEY}
        execute(speak(**place if in_s3 else {"output_path": str(path)}))
        content = bucket.get(KEY)["Body"] if in_s3 else path.read_bytes()
        assert content == file_of(samples_of_polly(polly, "pcm", 16000), "pcm", 16000)

    @pytest.mark.parametrize("in_s3", [True, False])
    def test_stream_that_breaks_off_leaves_nothing(
        self, polly: RunningEmulator, bucket: Bucket, tmp_path: Path, in_s3: bool
    ) -> None:
        polly.faults.add("SynthesizeSpeech", times=1, cut=True)
        place = {"output_s3_bucket_name": polly.bucket, "output_s3_key": KEY}
        with pytest.raises(PollyIncompleteAnswerError):
            execute(speak(**place if in_s3 else {"output_path": str(tmp_path / "greeting.wav")}))
        assert (bucket.keys(), list(tmp_path.iterdir())) == ([], [])
        assert bucket.unfinished() == []
        assert polly.counters.calls("SynthesizeSpeech") == 1
