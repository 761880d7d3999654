from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.ui import tracks as module
from airflow_polly_provider.ui.tracks import NotAvailableError, merged, playlist, tracks_of
from airflow_polly_provider.ui.xcoms import TaskInstanceId
from tests.unit.ui.support import AUDIO, COMPLETED, CONNECTION, RESULT, TASK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_polly_provider.ui.tracks import Track

INSTANCE = TaskInstanceId(TASK, -1)


def no_manifest(*_: object) -> Sequence[Mapping[str, Any]]:
    raise AssertionError("The manifest is not needed.")


def only_track(xcoms: Mapping[str, Any]) -> Track:
    (track,) = tracks_of(INSTANCE, xcoms, no_manifest)
    return track


def test_a_completed_task_has_a_track_with_its_facts() -> None:
    assert only_track(COMPLETED).to_json() == {
        "task_id": TASK,
        "map_index": -1,
        "item": None,
        "status": "completed",
        "unchanged": False,
        "playable": True,
        "downloadable": True,
        "reason": None,
        "voice": "Amy",
        "engine": "neural",
        "language": "en-GB",
        "format": "mp3",
        "sample_rate": "24000",
        "characters": 12,
        "spoken_characters": 10,
        "seconds": 1.5,
        "cost": 0.000192,
        "synthesis_task_id": RESULT["TaskId"],
        "s3_uri": AUDIO,
        "captions": False,
        "transcript": False,
        "chapters": False,
    }


def test_a_failed_task_says_why() -> None:
    failed = {
        "AwsConnection": CONNECTION,
        "TaskId": "t1",
        "TaskStatus": "failed",
        "TaskStatusReason": "Polly's reason",
        "ErrorMessage": "The task failed.\nChange the text.",
    }
    track = only_track(failed).to_json()
    assert (track["status"], track["playable"]) == ("failed", False)
    assert track["reason"] == "The task failed.\nChange the text."
    assert track["synthesis_task_id"] == "t1"


def test_a_task_that_failed_before_its_start_is_failed() -> None:
    track = only_track({"AwsConnection": CONNECTION, "ErrorMessage": "Missing required parameter: voice_id"})
    assert (track.status, track.reason) == ("failed", "Missing required parameter: voice_id")


def test_a_result_of_an_earlier_version_cannot_be_played_and_says_why() -> None:
    track = only_track({"TaskStatus": "completed", "return_value": RESULT})
    assert not track.to_json()["playable"]
    assert "Download the object from S3." in track.to_json()["reason"]
    with pytest.raises(NotAvailableError, match="did not record its AWS connection"):
        track.audio_source()


def test_raw_samples_are_listed_but_not_playable() -> None:
    result = RESULT | {"OutputS3Uri": "s3://bucket/a.pcm", "OutputFormat": "pcm"}
    track = only_track(COMPLETED | {"return_value": result})
    assert not track.to_json()["playable"]
    assert "Browsers cannot play raw samples." in track.to_json()["reason"]
    assert track.audio_source()[1].key == "a.pcm"


@pytest.mark.parametrize("status", ["scheduled", "inProgress", "somethingNew"])
def test_the_audio_of_a_synthesis_task_that_has_not_completed_is_not_sent(status: str) -> None:
    track = only_track(COMPLETED | {"TaskStatus": status, "return_value": RESULT | {"TaskStatus": status}})
    assert not track.to_json()["playable"]
    with pytest.raises(NotAvailableError, match="not complete"):
        track.audio_source()


def test_a_dry_run_has_no_track() -> None:
    assert tracks_of(INSTANCE, {"return_value": RESULT | {"DryRun": True}}, no_manifest) == []


def test_a_task_that_makes_no_audio_has_no_track() -> None:
    stored = {"AwsConnection": CONNECTION, "return_value": {"LexiconName": "w3c"}}
    assert tracks_of(INSTANCE, stored, no_manifest) == []


def test_captions_transcript_and_chapters_are_found() -> None:
    result = RESULT | {
        "CaptionsS3Uris": {"vtt": "s3://bucket/a.vtt", "json": "s3://bucket/a.json"},
        "ChaptersS3Uri": "s3://bucket/chapters.json",
    }
    track = only_track(COMPLETED | {"return_value": result})
    found = (track.captions, track.transcript, track.chapters_location)
    assert [location.uri for location in found if location] == [
        "s3://bucket/a.vtt",
        "s3://bucket/a.json",
        "s3://bucket/chapters.json",
    ]
    shown = track.to_json()
    assert shown["captions"] is shown["transcript"] is shown["chapters"] is True


BATCH: dict[str, Any] = {
    "AwsConnection": CONNECTION,
    "ManifestS3Uri": "s3://bucket/batch/manifest.json",
    "return_value": {
        "TotalItems": 3,
        "ManifestS3Uri": "s3://bucket/batch/manifest.json",
        "Items": [
            {"Id": "one", "TaskStatus": "completed", "OutputS3Uri": "s3://bucket/1.mp3", "TaskId": "t1"},
            {"Id": "two", "TaskStatus": "completed", "OutputS3Uri": "s3://bucket/2.mp3", "Unchanged": True},
            {"Id": "three", "TaskStatus": "failed", "TaskStatusReason": "Invalid SSML"},
        ],
    },
}


def test_a_batch_has_a_track_for_each_item() -> None:
    tracks = tracks_of(INSTANCE, BATCH, no_manifest)
    assert [(track.item, track.status, track.unchanged, track.reason) for track in tracks] == [
        ("one", "completed", False, None),
        ("two", "completed", True, None),
        ("three", "failed", False, "Invalid SSML"),
    ]


def test_the_items_of_a_large_batch_are_in_its_manifest() -> None:
    read = []

    def read_manifest(*given: object) -> Sequence[Mapping[str, Any]]:
        read.append(given)
        return [{"Id": "one", "TaskStatus": "completed", "OutputS3Uri": "s3://bucket/1.mp3"}]

    xcoms = BATCH | {"return_value": {"TotalItems": 1}}
    assert [track.item for track in tracks_of(INSTANCE, xcoms, read_manifest)] == ["one"]
    assert len(read) == 1
    with pytest.raises(NotAvailableError, match="did not record its AWS connection"):
        tracks_of(INSTANCE, xcoms | {"AwsConnection": None}, no_manifest)


def test_a_batch_without_items_shows_its_error() -> None:
    xcoms = BATCH | {"return_value": None, "Items": [], "ErrorMessage": "The batch failed."}
    assert only_track(xcoms).reason == "The batch failed."


def track_of(task_id: str, synthesis_task_id: str, status: str) -> list[Track]:
    result = RESULT | {"TaskId": synthesis_task_id, "TaskStatus": status}
    return tracks_of(TaskInstanceId(task_id, -1), {"return_value": result}, no_manifest)


def test_a_sensor_does_not_repeat_the_audio_of_the_task_that_it_waited_for() -> None:
    started, waited = track_of("start", "t1", "scheduled"), track_of("wait", "t1", "completed")
    assert [track.instance.task_id for track in merged(started + waited)] == ["wait"]
    assert [track.instance.task_id for track in merged(waited + started)] == ["wait"]
    assert len(merged(started + track_of("wait", "t2", "completed"))) == 2


def test_a_task_that_failed_is_failed_whatever_polly_says() -> None:
    for status in ("inProgress", "completed"):
        track = only_track({"TaskId": "t1", "TaskStatus": status, "ErrorMessage": "The copy failed."})
        assert (track.status, track.reason) == ("failed", "The copy failed.")


def test_an_item_that_could_not_be_delivered_is_failed() -> None:
    item = {"Id": "one", "TaskStatus": "completed", "TaskStatusReason": "The copy failed."}
    (track,) = tracks_of(INSTANCE, BATCH | {"return_value": {"Items": [item]}}, no_manifest)
    assert (track.status, track.reason) == ("failed", "The copy failed.")


def test_the_failure_of_a_sensor_is_not_hidden_by_the_task_that_it_waited_for() -> None:
    failed = {"TaskId": "t1", "TaskStatus": "inProgress", "ErrorMessage": "The timeout passed."}
    waited = tracks_of(TaskInstanceId("wait", -1), failed, no_manifest)
    assert [track.instance.task_id for track in merged(track_of("start", "t1", "scheduled") + waited)] == [
        "wait"
    ]
    both = merged(track_of("start", "t1", "completed") + waited)
    assert [track.status for track in both] == ["completed", "failed"]


def test_an_item_of_a_batch_and_its_sensor_are_one_track_but_two_items_are_two() -> None:
    def items(*ids: str) -> list[Track]:
        listed = [{"Id": each, "TaskId": "t1", "TaskStatus": "completed"} for each in ids]
        return tracks_of(INSTANCE, BATCH | {"return_value": {"Items": listed}}, no_manifest)

    assert [track.item for track in merged(items("one") + track_of("wait", "t1", "completed"))] == ["one"]
    assert [track.item for track in merged(items("one", "two"))] == ["one", "two"]


def test_raw_samples_can_only_be_downloaded() -> None:
    raw = RESULT | {"OutputFormat": "pcm", "OutputS3Uri": "s3://bucket/a.pcm"}
    found = only_track(COMPLETED | {"return_value": raw}).to_json()
    assert (found["playable"], found["downloadable"]) == (False, True)


def test_the_totals_count_all_tracks() -> None:
    totals = playlist([*tracks_of(INSTANCE, BATCH, no_manifest), only_track(COMPLETED)])["totals"]
    assert totals == {
        "tracks": 4,
        "completed": 3,
        "failed": 1,
        "unchanged": 1,
        "seconds": 1.5,
        "characters": 12,
        "cost": 0.000192,
    }


def test_an_empty_playlist_has_no_duration_and_no_cost() -> None:
    totals = playlist([])["totals"]
    assert (totals["tracks"], totals["seconds"], totals["characters"], totals["cost"]) == (0, None, 0, None)


def test_a_long_playlist_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRACKS", 2)
    found = playlist(tracks_of(INSTANCE, BATCH, no_manifest))
    assert len(found["tracks"]) == 2
    assert found["totals"]["tracks"] == 3
    assert found["messages"] == ["This page lists the first 2 of 3 tracks."]


@pytest.mark.parametrize(
    "seconds", [float("nan"), float("inf"), -1, 10**400, 1e308, True, "1.5", None, [1], {"a": 1}]
)
def test_a_number_that_is_not_usable_is_not_shown(seconds: object) -> None:
    result = RESULT | {
        "DurationSeconds": seconds,
        "RequestCharacters": seconds,
        "VoiceId": {"a": 1},
        "Id": {},
    }
    track = only_track(COMPLETED | {"return_value": result})
    assert track.item is None
    assert not {"seconds", "characters", "voice"} & set(track.facts)
    assert playlist([track])["totals"]["seconds"] is None


@pytest.mark.parametrize(
    "uri",
    [
        None,
        5,
        "",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "https://host/b/k.mp3",
        "s3://b/\ud800",
    ],
)
def test_an_invalid_uri_names_no_object(uri: object) -> None:
    track = only_track({"AwsConnection": CONNECTION, "return_value": RESULT | {"OutputS3Uri": uri}})
    assert track.location is None
    assert not track.to_json()["playable"]
    with pytest.raises(NotAvailableError, match="has no audio"):
        track.audio_source()
