from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.audio.wav import WavForm
from airflow_polly_provider.batch.json_members import MalformedError
from airflow_polly_provider.batch.manifest import MAX_REASON_CHARACTERS, NOT_STARTED, ItemRecord
from airflow_polly_provider.batch.manifest_format import (
    main_content,
    read_main,
    read_part,
)
from tests.unit.batch.records import delivered, digest, manifest, record, started, task_id

if TYPE_CHECKING:
    from airflow_polly_provider.batch.manifest import Manifest

texts = st.text(min_size=1, max_size=20)
counts = st.integers(0, 10**6)
optional_counts = st.none() | counts
wavs = st.builds(
    WavForm, output_format=st.sampled_from(["pcm", "mulaw", "alaw"]), sample_rate=st.integers(8000, 48000)
)
records = st.builds(
    ItemRecord,
    id=texts,
    digest=st.integers(0, 5).map(digest),
    bucket=st.sampled_from(["bucket-a", "bucket-b"]),
    prefix=st.sampled_from([None, "", "a/", "b"]),
    characters=counts,
    status=st.sampled_from([NOT_STARTED, "completed", "failed"]),
    task_id=st.none() | st.integers(0, 100).map(task_id),
    reason=st.none() | st.text(max_size=MAX_REASON_CHARACTERS),
    output_uri=st.none() | texts,
    request_characters=optional_counts,
    spoken_characters=optional_counts,
    seconds=st.none() | st.floats(0, 10**6),
    unchanged=st.booleans(),
    finished=st.booleans(),
    engine=st.sampled_from([None, "neural", "standard"]),
    output_s3_key=st.none() | texts,
    speech_digest=st.none() | st.integers(0, 5).map(digest),
    wav=st.none() | wavs,
    keep_original=st.booleans(),
)


def written(one: Manifest) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(main_content(one, "w"))
    return content


def with_item(**members: Any) -> bytes:
    """Return a main object whose only item has other members."""
    content = written(manifest([delivered()]))
    content["Items"][0] |= members
    return json.dumps(content).encode()


class TestMainObject:
    @given(st.lists(records, max_size=5))
    def test_is_read_as_the_manifest_that_was_written(self, some: list[ItemRecord]) -> None:
        one = manifest(some)
        assert read_main(main_content(one, "w")) == (one, [])

    def test_leaves_out_values_that_most_items_share(self) -> None:
        items = written(manifest([started(1), started(2), started(3, prefix="other/")]))["Items"]
        assert "OutputS3KeyPrefix" not in items[0]
        assert items[2]["OutputS3KeyPrefix"] == "other/"

    def test_keeps_the_beginning_of_a_long_reason(self) -> None:
        (item,) = written(manifest([started(status="failed", reason="no" * 400)]))["Items"]
        assert item["TaskStatusReason"] == "no" * 250

    def test_can_be_read_after_polly_has_returned_an_unknown_status(self) -> None:
        one, _ = read_main(main_content(manifest([started(status="queued")]), "w"))
        assert one.unfinished_ids() == [task_id(0)]

    def test_of_10_000_items_is_smaller_than_4_5_mb(self) -> None:
        size = len(main_content(manifest([delivered(number) for number in range(10_000)]), "w"))
        assert 2_000_000 < size < 4_500_000

    def test_has_one_item_in_each_line(self) -> None:
        lines = main_content(manifest([started(1), started(2)]), "w").decode().splitlines()
        assert [json.loads(line.rstrip(","))["Id"] for line in lines[1:3]] == [
            "chapter-00001",
            "chapter-00002",
        ]


class TestDamagedContent:
    @given(st.binary(max_size=200))
    def test_of_any_bytes_is_refused(self, content: bytes) -> None:
        with pytest.raises(MalformedError):
            read_main(content)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ),
        st.data(),
    )
    def test_with_any_value_in_any_place_is_read_or_refused(self, value: Any, data: st.DataObject) -> None:
        content = written(
            manifest([delivered(1), record(2, wav=WavForm(output_format="pcm", sample_rate=8000))])
        )
        places = [content, content["Run"], content["Defaults"], *content["Items"]]
        place = data.draw(st.sampled_from(places))
        name = data.draw(st.sampled_from([*place, "Parts", "Wav", "DurationSeconds"]))
        place[name] = value
        try:
            read_main(json.dumps(content).encode())
        except MalformedError:
            return
        with pytest.raises(MalformedError):
            read_part(json.dumps({**content, "RunToken": "x"}).encode(), manifest([]), 2)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"[]",
            b"{}",
            b"[" * 100_000,
            b'{"Format": "airflow_polly_provider/batch-manifest"}',
            '{"a": "é"}'.encode("latin-1"),
            b"1" * 5000,
            b"<html></html>",
        ],
    )
    def test_of_another_kind_is_refused(self, content: bytes) -> None:
        with pytest.raises(MalformedError):
            read_main(content)

    def test_of_a_later_version_is_refused(self) -> None:
        content = json.dumps({**written(manifest([])), "Version": 2}).encode()
        with pytest.raises(MalformedError, match="a later version"):
            read_main(content)

    @pytest.mark.parametrize(
        "members",
        [
            {"Id": ""},
            {"Id": 3},
            {"TaskStatus": "done"},
            {"TaskStatus": []},
            {"TaskId": "../x"},
            {"TaskId": None, "TaskStatus": "scheduled"},
            {"RequestCharacters": -1},
            {"RequestCharacters": True},
            {"DurationSeconds": -1},
            {"DurationSeconds": 10**400},
            {"Unchanged": 1},
            {"Digest": "abc"},
            {"Wav": {"OutputFormat": "mp3", "SampleRate": 8000}},
            {"Wav": {"OutputFormat": "pcm"}},
        ],
        ids=str,
    )
    def test_of_an_item_is_refused(self, members: dict[str, Any]) -> None:
        with pytest.raises(MalformedError):
            read_main(with_item(**members))

    @pytest.mark.parametrize(
        "header",
        [
            {"RunToken": "../etc"},
            {"Phase": "done"},
            {"Created": "2026-11-27T00:00:05"},
            {"Created": "yesterday"},
            {"ItemCount": 2},
            {"Run": {}},
        ],
        ids=str,
    )
    def test_of_the_header_is_refused(self, header: dict[str, Any]) -> None:
        content = written(manifest([delivered()])) | header
        with pytest.raises(MalformedError):
            read_main(json.dumps(content).encode())
