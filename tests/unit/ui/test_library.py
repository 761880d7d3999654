from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.ui import library as module
from airflow_polly_provider.ui.library import Library
from airflow_polly_provider.ui.s3_clients import S3Clients
from airflow_polly_provider.ui.tracks import NotAvailableError
from airflow_polly_provider.ui.xcoms import MAX_TASKS, TaskInstanceId
from tests.unit.ui.manifests import URI, content, in_parts, record
from tests.unit.ui.support import AUDIO, BUCKET, COMPLETED, CONNECTION, DAG, RESULT, RUN, TASK

if TYPE_CHECKING:
    from tests.unit.ui.support import FakeS3, XComs

INSTANCE = TaskInstanceId(TASK, -1)
BATCH: dict[str, Any] = {
    "AwsConnection": CONNECTION,
    "ManifestS3Uri": URI,
    "return_value": {"TotalItems": 2, "ManifestS3Uri": URI},
}


@pytest.fixture
def library(xcoms: XComs, s3: FakeS3) -> Library:
    return Library(S3Clients())


def test_a_task_without_audio_says_what_to_do(library: Library) -> None:
    found = library.task_playlist(DAG, RUN, INSTANCE)
    assert found["tracks"] == []
    assert found["messages"] == [module._NOTHING]


def test_a_run_without_audio_says_what_to_do(library: Library) -> None:
    assert library.run_playlist(DAG, RUN)["messages"] == [module._NOTHING_IN_RUN]


def test_a_run_lists_its_tasks_in_the_order_in_which_they_began(library: Library, xcoms: XComs) -> None:
    def completed(number: int) -> dict[str, Any]:
        return COMPLETED | {"return_value": RESULT | {"TaskId": f"t{number}"}}

    pushed = [("z", 1), ("a", -1), ("z", 0), ("m", -1)]
    for number, (task_id, map_index) in enumerate(pushed):
        xcoms.push(completed(number), task_id, map_index)
    listed = library.run_playlist(DAG, RUN)["tracks"]
    assert [(each["task_id"], each["map_index"]) for each in listed] == [
        ("z", 0),
        ("z", 1),
        ("a", -1),
        ("m", -1),
    ]


def test_a_run_with_too_many_tasks_says_so(library: Library, xcoms: XComs) -> None:
    xcoms.push(COMPLETED)
    xcoms.is_cut = True
    (message,) = library.run_playlist(DAG, RUN)["messages"]
    assert f"more than {MAX_TASKS:,} Polly tasks" in message


def test_a_track_is_found_by_its_ids(library: Library, xcoms: XComs) -> None:
    xcoms.push(COMPLETED)
    track = library.track(DAG, RUN, INSTANCE, None)
    assert track.location is not None
    assert track.location.uri == AUDIO
    for dag, run, instance, item in (
        ("other", RUN, INSTANCE, None),
        (DAG, "other", INSTANCE, None),
        (DAG, RUN, TaskInstanceId(TASK, 0), None),
        (DAG, RUN, TaskInstanceId("other", -1), None),
        (DAG, RUN, INSTANCE, "item"),
    ):
        with pytest.raises(NotAvailableError, match="Reload the page"):
            library.track(dag, run, instance, item)


def test_the_items_of_a_manifest_are_listed_and_kept_for_a_minute(
    library: Library, xcoms: XComs, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    xcoms.push(BATCH)
    s3.put(URI, content([record(1), record(2)]))
    listed = library.task_playlist(DAG, RUN, INSTANCE)
    assert [(each["item"], each["s3_uri"]) for each in listed["tracks"]] == [
        ("item-1", f"s3://{BUCKET}/batch/1.mp3"),
        ("item-2", f"s3://{BUCKET}/batch/2.mp3"),
    ]
    assert library.track(DAG, RUN, INSTANCE, "item-2").item == "item-2"
    assert len(s3.requests) == 1
    monkeypatch.setattr(module, "_KEPT_SECONDS", 0)
    library.track(DAG, RUN, INSTANCE, "item-2")
    assert len(s3.requests) == 2


@pytest.mark.parametrize(
    "other", [{"dag_id": "other"}, {"run_id": "other"}, {"task_id": "other"}, {"map_index": 0}]
)
def test_the_manifest_of_another_task_is_not_read(
    library: Library, xcoms: XComs, s3: FakeS3, other: dict[str, Any]
) -> None:
    xcoms.push(BATCH)
    s3.put(URI, content([record(1)], **other))
    found = library.task_playlist(DAG, RUN, INSTANCE)
    assert found["tracks"] == []
    assert "belongs to another run" in found["messages"][0]


def test_the_audio_of_an_item_in_another_bucket_is_not_sent(
    library: Library, xcoms: XComs, s3: FakeS3
) -> None:
    xcoms.push(BATCH)
    foreign = "https://s3.eu-west-1.amazonaws.com/secrets/call.mp3"
    s3.put(URI, content([record(1, foreign), record(2, "s3://secrets/call.mp3")]))
    for each in library.task_playlist(DAG, RUN, INSTANCE)["tracks"]:
        assert not each["playable"]
        assert each["s3_uri"] is None
        assert "another bucket" in each["reason"]
    with pytest.raises(NotAvailableError, match="has no audio"):
        library.track(DAG, RUN, INSTANCE, "item-1").audio_source()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"Format": "airflow_polly_provider/batch-manifest", "Version": 1}',
        b'{"Format": "airflow_polly_provider/batch-manifest", "Version": 1e999}',
        content([record(1)])
        .replace(b'"ItemCount": 1', b'"ItemCount": 10000000000000')
        .replace(b'"ItemCount":1', b'"ItemCount":10000000000000'),
        content([record(1)]).replace(b'"map_index":-1', b'"map_index":"-1"'),
    ],
)
def test_a_forged_manifest_is_refused_with_a_sentence(
    library: Library, xcoms: XComs, s3: FakeS3, stored: bytes
) -> None:
    xcoms.push(BATCH)
    s3.put(URI, stored)
    found = library.task_playlist(DAG, RUN, INSTANCE)
    assert found["tracks"] == []
    (message,) = found["messages"]
    assert message.startswith("The manifest of the batch cannot be read.")


@pytest.mark.parametrize(
    "part", ["secrets/part.json", "batch/manifest.json.parts/../../x.json", "batch/x.json"]
)
def test_a_manifest_cannot_name_foreign_parts(library: Library, xcoms: XComs, s3: FakeS3, part: str) -> None:
    xcoms.push(BATCH)
    main, stored = in_parts([record(1)], part, '"1"', 1)
    s3.put(URI, main)
    s3.put(f"s3://{BUCKET}/{part}", stored)
    (message,) = library.task_playlist(DAG, RUN, INSTANCE)["messages"]
    assert "is not the key of a part" in message
    assert len(s3.requests) == 1


def test_a_missing_manifest_and_a_forbidden_one_are_sentences(
    library: Library, xcoms: XComs, s3: FakeS3
) -> None:
    xcoms.push(BATCH)
    assert library.task_playlist(DAG, RUN, INSTANCE)["messages"] == [
        f"The manifest of the batch does not exist: {URI}."
    ]
    s3.refusals.append((403, "AccessDenied"))
    assert "Allow s3:GetObject" in library.task_playlist(DAG, RUN, INSTANCE)["messages"][0]


def test_a_manifest_is_read_with_a_new_client_if_the_credentials_have_expired(
    library: Library, xcoms: XComs, s3: FakeS3
) -> None:
    xcoms.push(BATCH)
    s3.put(URI, content([record(1)]))
    s3.refusals.append((400, "ExpiredToken"))
    assert len(library.task_playlist(DAG, RUN, INSTANCE)["tracks"]) == 1
    s3.always = (400, "ExpiredToken")
    xcoms.push(BATCH, run_id="second")
    (message,) = library.task_playlist(DAG, "second", INSTANCE)["messages"]
    assert "rejected the credentials" in message


def test_one_damaged_batch_does_not_hide_the_other_tasks_of_a_run(
    library: Library, xcoms: XComs, s3: FakeS3
) -> None:
    xcoms.push(COMPLETED)
    xcoms.push(BATCH, "batch")
    s3.put(URI, b"{}")
    found = library.run_playlist(DAG, RUN)
    assert [each["task_id"] for each in found["tracks"]] == [TASK]
    assert found["messages"][0].startswith("batch: The manifest of the batch cannot be read.")


def test_only_the_last_manifests_are_kept(
    library: Library, xcoms: XComs, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_MANIFESTS", 2)
    for map_index in range(4):
        uri = f"s3://{BUCKET}/batch/{map_index}.json"
        s3.put(uri, content([record(1)], map_index=map_index))
        xcoms.push(BATCH | {"ManifestS3Uri": uri}, map_index=map_index)
        library.task_playlist(DAG, RUN, TaskInstanceId(TASK, map_index))
    assert len(library._manifests._kept) == 2


def test_the_error_of_a_batch_is_said_beside_its_items(library: Library, xcoms: XComs) -> None:
    items = [{"Id": "one", "TaskStatus": "inProgress", "RequestCharacters": 3}]
    xcoms.push(
        {
            "AwsConnection": CONNECTION,
            "ManifestS3Uri": URI,
            "Items": items,
            "ErrorMessage": "1 of 1 synthesis tasks have not ended.\nA retry continues.",
        }
    )
    found = library.task_playlist(DAG, RUN, INSTANCE)
    assert [track["item"] for track in found["tracks"]] == ["one"]
    assert found["messages"] == ["1 of 1 synthesis tasks have not ended."]
    (message,) = library.run_playlist(DAG, RUN)["messages"]
    assert message == f"{TASK}: 1 of 1 synthesis tasks have not ended."


def test_a_run_is_read_only_until_the_page_is_full(
    library: Library, xcoms: XComs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TRACKS", 2)
    for number in range(4):
        xcoms.push(COMPLETED | {"return_value": RESULT | {"TaskId": f"t{number}"}}, f"speak_{number}")
    found = library.run_playlist(DAG, RUN)
    assert [track["task_id"] for track in found["tracks"]] == ["speak_0", "speak_1"]
    assert found["messages"] == ["This page lists the first 2 tracks of the run."]
