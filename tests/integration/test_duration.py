"""``DurationSeconds`` in the results of each way to speak and to wait, compared with the decoded audio."""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from airflow_polly_provider.compat import task
from airflow_polly_provider.operators.polly import (
    PollyGetSpeechSynthesisTaskOperator,
    PollyStartSpeechSynthesisTaskOperator,
    PollySynthesizeSpeechOperator,
)
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from tests.integration.dag_builder import (
    DEFERRED,
    IN_WORKER,
    NO_WAIT,
    TEXT,
    each_waiting_mode,
    new_dag,
    output_of,
    start_arguments,
    start_dag,
)
from tests.integration.modes_support import MODES, NOT_WAITING
from tests.integration.test_decorator import decorated_dag

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag
    from tests.integration.s3_calls import S3Calls

pytestmark = pytest.mark.usefixtures("short_waits")

TOLERANCE_SECONDS = 0.05
RAW = {"pcm": ("PCM_16", "s16le"), "mulaw": ("ULAW", "mulaw"), "alaw": ("ALAW", "alaw")}
"""By format: libsndfile's and ffmpeg's names for it."""
MEASURED = [
    ("mp3", None),
    ("mp3", 8000),
    ("mp3", 16000),
    ("mp3", 24000),
    ("pcm", None),
    ("pcm", 8000),
    ("mulaw", None),
    ("alaw", None),
]


@pytest.fixture
def polly(speaking_emulator: RunningEmulator) -> RunningEmulator:
    """Return the emulator with an empty bucket and without tasks of earlier tests."""
    speaking_emulator.reset()
    return speaking_emulator


def durations_of(audio: bytes, value: dict[str, Any]) -> list[float]:
    """Return how long audio plays, as libsndfile and, if it is installed, ffprobe say."""
    output_format = value["OutputFormat"]
    rate = int(value.get("SampleRate") or (16000 if output_format == "pcm" else 8000))
    raw: dict[str, Any] = {}
    if output_format in RAW:
        raw = {"samplerate": rate, "channels": 1, "format": "RAW", "subtype": RAW[output_format][0]}
    samples, decoded_rate = soundfile.read(io.BytesIO(audio), **raw)
    durations = [len(samples) / decoded_rate]
    if ffprobe := shutil.which("ffprobe"):
        given = ["-f", RAW[output_format][1], "-ar", str(rate)] if raw else []
        shown = subprocess.run(
            [ffprobe, "-v", "error", *given, "-show_entries", "format=duration", "-of", "csv=p=0", "-"],
            input=audio,
            capture_output=True,
            check=True,
            timeout=60,
        )
        durations += [float(seconds) for seconds in shown.stdout.split() if seconds != b"N/A"]
    return durations


def assert_duration(xcoms: dict[str, Any], s3: Any) -> float:
    """Check a task's ``DurationSeconds`` against its object, and return it."""
    value = xcoms["return_value"]
    bucket, _, key = value["OutputS3Uri"].removeprefix("s3://").partition("/")
    audio = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert xcoms["DurationSeconds"] == value["DurationSeconds"]
    for seconds in durations_of(audio, value):
        assert value["DurationSeconds"] == pytest.approx(seconds, abs=TOLERANCE_SECONDS)
    duration: float = value["DurationSeconds"]
    return duration


def started(run_dag: RunDag, polly: RunningEmulator, mode: dict[str, Any] = NO_WAIT) -> str:
    """Return the TaskId of a synthesis task that completes soon, or has completed if the mode waits."""
    task_id: str = run_dag(start_dag(polly, **mode)).xcoms("start")["TaskId"]
    return task_id


class TestStart:
    @each_waiting_mode
    @pytest.mark.parametrize("key", [None, "final/zebra.mp3"], ids=["Polly's key", "output_s3_key"])
    def test_has_the_duration_of_the_object(
        self, polly: RunningEmulator, run_dag: RunDag, s3: Any, mode: dict[str, Any], key: str | None
    ) -> None:
        run = run_dag(start_dag(polly, output_s3_key=key, **mode))
        assert run.task("start") == ("success", 1), run.output
        seconds = assert_duration(run.xcoms("start"), s3)
        assert f" {len(TEXT)} characters billed, {seconds:.1f} s of audio" in run.output

    @pytest.mark.parametrize(("output_format", "sample_rate"), MEASURED)
    def test_has_the_duration_in_each_format_and_rate(
        self, polly: RunningEmulator, run_dag: RunDag, s3: Any, output_format: str, sample_rate: int | None
    ) -> None:
        audio = {"output_format": output_format, "sample_rate": sample_rate}
        run = run_dag(start_dag(polly, text=TEXT * 20, **audio, **IN_WORKER))
        assert_duration(run.xcoms("start"), s3)

    @pytest.mark.parametrize(
        "given",
        [
            {"output_format": "ogg_vorbis"},
            {"output_format": "ogg_opus"},
            {"output_format": "json", "speech_mark_types": ["word"]},
            {**NO_WAIT},
        ],
        ids=["Vorbis", "Opus", "speech marks", "not waiting"],
    )
    def test_has_no_duration_where_it_is_unknown_and_sends_no_request_for_it(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls, given: dict[str, Any]
    ) -> None:
        run = run_dag(start_dag(polly, **given))
        assert run.task("start") == ("success", 1), run.output
        xcoms = run.xcoms("start")
        assert "DurationSeconds" not in xcoms
        assert "DurationSeconds" not in xcoms["return_value"]
        assert s3_calls.names == []

    def test_has_the_duration_of_a_reused_object(
        self, polly: RunningEmulator, run_dag: RunDag, s3: Any
    ) -> None:
        given: dict[str, Any] = {"output_s3_key": "final/zebra.mp3", "skip_if_unchanged": True}
        first = run_dag(start_dag(polly, **given, **IN_WORKER)).xcoms("start")
        again = run_dag(start_dag(polly, **given, **IN_WORKER))
        assert again.xcoms("start")["return_value"]["Unchanged"] is True
        seconds = assert_duration(again.xcoms("start"), s3)
        assert seconds == first["DurationSeconds"]
        assert f"the audio has {len(TEXT)} and lasts {seconds:.1f} s" in again.output

    @each_waiting_mode
    def test_succeeds_without_the_duration_if_s3_denies_the_request(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls, mode: dict[str, Any]
    ) -> None:
        s3_calls.denied.add("GetObject")
        run = run_dag(start_dag(polly, **mode))
        assert run.task("start") == ("success", 1), run.output
        assert "DurationSeconds" not in run.xcoms("start")
        assert "allow s3:GetObject on the object" in run.output
        assert s3_calls.names == ["GetObject"]

    def test_sends_no_request_if_the_setting_is_off(
        self, polly: RunningEmulator, run_dag: RunDag, s3_calls: S3Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__MEASURE_DURATION", "False")
        run = run_dag(start_dag(polly, **IN_WORKER))
        assert run.task("start") == ("success", 1), run.output
        assert "DurationSeconds" not in run.xcoms("start")
        assert s3_calls.names == []

    def test_from_a_decorated_function_has_the_duration(
        self, polly: RunningEmulator, run_dag: RunDag, s3: Any
    ) -> None:
        def speak() -> str:
            return TEXT

        run = run_dag(decorated_dag(polly, speak, **DEFERRED))
        assert_duration(run.xcoms("speak"), s3)

    def test_gives_the_duration_to_a_later_task(self, polly: RunningEmulator, run_dag: RunDag) -> None:
        with new_dag("later") as dag:
            start = PollyStartSpeechSynthesisTaskOperator(**start_arguments(polly, **IN_WORKER))

            @task
            def use(seconds: float) -> float:
                return seconds * 2

            use(output_of(start)["DurationSeconds"])
        run = run_dag(dag)
        assert run.xcoms("use")["return_value"] == 2 * run.xcoms("start")["DurationSeconds"] > 0


@pytest.mark.parametrize("mode", MODES["get"])
def test_get_operator_has_the_duration_of_completed_audio(
    polly: RunningEmulator, run_dag: RunDag, s3: Any, mode: str
) -> None:
    synthesis_task_id = started(run_dag, polly, IN_WORKER if mode == NOT_WAITING else NO_WAIT)
    with new_dag("getting") as dag:
        PollyGetSpeechSynthesisTaskOperator(
            task_id="get", synthesis_task_id=synthesis_task_id, poke_interval=0.2, **MODES["get"][mode]
        )
    run = run_dag(dag)
    assert run.task("get") == ("success", 1), run.output
    assert_duration(run.xcoms("get"), s3)


@pytest.mark.parametrize("mode", MODES["sensor"])
def test_sensor_has_the_duration(polly: RunningEmulator, run_dag: RunDag, s3: Any, mode: str) -> None:
    with new_dag("sensing") as dag:
        PollySpeechSynthesisTaskSensor(
            task_id="sense",
            synthesis_task_id=started(run_dag, polly),
            poke_interval=0.2,
            **MODES["sensor"][mode],
        )
    run = run_dag(dag)
    assert run.task("sense") == ("success", 1), run.output
    assert_duration(run.xcoms("sense"), s3)


@pytest.mark.parametrize("output_format", ["mp3", "pcm", "mulaw", "alaw", "ogg_vorbis", "ogg_opus", "json"])
def test_synthesize_operator_has_the_duration_in_each_audio_format(
    polly: RunningEmulator, run_dag: RunDag, s3: Any, s3_calls: S3Calls, output_format: str
) -> None:
    marks = {"speech_mark_types": ["word"]} if output_format == "json" else {}
    with new_dag("synthesizing") as dag:
        PollySynthesizeSpeechOperator(
            task_id="speak",
            text=TEXT,
            voice_id="Amy",
            output_format=output_format,  # type: ignore[arg-type]  # one of its values
            output_s3_bucket_name=polly.bucket,
            output_s3_key="short",
            **marks,  # type: ignore[arg-type]  # one parameter
        )
    run = run_dag(dag)
    assert run.task("speak") == ("success", 1), run.output
    assert s3_calls.names == ["PutObject"], "the stream itself tells the duration"
    if output_format == "json":
        assert "DurationSeconds" not in run.xcoms("speak")["return_value"]
    else:
        assert_duration(run.xcoms("speak"), s3)
