"""The deferred examples on a real Airflow, whose triggerer process must not end.

On Airflow 3, a triggerer looks up a connection in the metadata database through its supervisor. If a look-up
and another request overlap, the triggerer process ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from tests.integration.stack_support import BUCKET, EXAMPLE_DAGS

if TYPE_CHECKING:
    from tests.integration.shared_stack.runs import Runs

BASIC, MAPPED, SENSOR, OUTPUT_KEY, CAPTIONS = (
    f"example_polly_{name}" for name in ("basic", "mapped", "sensor", "output_key", "captions")
)
TEXT = (EXAMPLE_DAGS / "texts" / "alice.txt").read_text().removesuffix("\n")
PLATFORMS = ("Platform one is closed.", "Platform two is open.", "Mind the gap, please.")

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_only_the_database_has_the_connection(runs: Runs) -> None:
    names = [name for name in runs.airflow.environment if name.startswith(("AIRFLOW_CONN_", "AWS_"))]

    assert sorted(names) == ["AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_SHARED_CREDENTIALS_FILE"]


def test_basic_example_defers_and_hands_the_result_to_a_later_task(runs: Runs) -> None:
    runs.assert_success(BASIC)
    pushed = runs.xcoms(BASIC, "start")

    runs.assert_completed(pushed, len(TEXT))
    runs.assert_waited_in_triggerer(BASIC, "start", pushed["TaskId"])
    assert pushed["TaskId"] in pushed["OutputUri"]
    assert pushed["OutputS3Uri"].startswith(f"s3://{BUCKET}/audio/alice")
    assert pushed["OutputS3Uri"] in runs.task_log(BASIC, "report")
    assert runs.xcoms(BASIC, "report")["return_value"]["bytes"] > 0


def test_basic_example_reports_metrics_from_worker_and_triggerer(runs: Runs) -> None:
    spoken = f"airflow.polly.request_characters,engine=standard,voice_id=Amy:{len(TEXT)}|c"

    # The examples basic and output_key speak this text.
    assert runs.metrics.of("polly.request_characters").count(spoken) == 2
    assert runs.metrics.of("polly.status_requests")


def test_mapped_example_defers_a_sensor_for_each_text(runs: Runs) -> None:
    runs.assert_success(MAPPED)

    for map_index, text in enumerate(PLATFORMS):
        started = runs.xcoms(MAPPED, "start", map_index)
        waited_for = runs.xcoms(MAPPED, "gate", map_index)
        assert waited_for["TaskId"] == started["TaskId"]
        runs.assert_completed(waited_for, len(text))
        runs.assert_waited_in_triggerer(MAPPED, "gate", started["TaskId"], map_index)
    assert runs.xcoms(MAPPED, "total")["return_value"] == sum(map(len, PLATFORMS))


def test_sensor_example_defers_the_sensor_and_reads_the_completed_task(runs: Runs) -> None:
    runs.assert_success(SENSOR)
    pushed = runs.xcoms(SENSOR, "get")

    assert pushed["TaskId"] == runs.xcoms(SENSOR, "start")["TaskId"] == runs.xcoms(SENSOR, "gate")["TaskId"]
    runs.assert_completed(pushed, pushed["RequestCharacters"])
    runs.assert_waited_in_triggerer(SENSOR, "gate", pushed["TaskId"])
    assert pushed["OutputUri"] in runs.xcoms(SENSOR, "publish")["return_value"]


def test_output_key_example_defers_and_copies_the_audio_to_its_key(runs: Runs) -> None:
    runs.assert_success(OUTPUT_KEY)
    pushed = runs.xcoms(OUTPUT_KEY, "speak")

    assert pushed["OutputS3Uri"] == f"s3://{BUCKET}/site/alice.mp3"
    runs.assert_completed(pushed, len(TEXT))
    runs.assert_waited_in_triggerer(OUTPUT_KEY, "speak", pushed["TaskId"])


def test_triggerer_is_still_the_process_that_was_started_and_logged_no_traceback(runs: Runs) -> None:
    triggerer = runs.airflow.components["triggerer"]
    log = triggerer.log.read_text()

    assert runs.triggerer.is_running()
    assert runs.triggerer.status() != psutil.STATUS_ZOMBIE
    assert triggerer.process() == runs.triggerer
    assert "Traceback" not in log, log


def test_document_with_captions_waits_once_for_all_pieces(runs: Runs) -> None:
    runs.assert_success(CAPTIONS)
    pushed = runs.xcoms(CAPTIONS, "article")

    assert "deferred" in runs.states_of(CAPTIONS, "article")
    for uri in (pushed["OutputS3Uri"], pushed["SpeechMarksS3Uri"], *pushed["CaptionsS3Uris"].values()):
        runs.assert_object_exists(uri)
    assert (
        pushed["CaptionsS3Uris"]["vtt"].removeprefix("s3:/") in runs.xcoms(CAPTIONS, "player")["return_value"]
    )
