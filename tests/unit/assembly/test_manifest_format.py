from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.assembly.manifest_format import manifest_content, read_manifest
from airflow_polly_provider.batch.json_members import MalformedError
from tests.unit.assembly.documents import document, joined, manifests, planned

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.manifest import DocumentManifest

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def written(manifest: DocumentManifest) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(manifest_content(manifest))
    return content


def one() -> DocumentManifest:
    """Return a manifest with a value in each member."""
    return document(
        joined(planned(1, pause_seconds=0.5, previous_offset=7), planned(2)),
        previous_etag='"p"',
        title="Alice",
        audio_form="fff364c4",
    )


class TestContent:
    @given(manifests())
    def test_is_read_as_the_manifest_that_was_written(self, manifest: DocumentManifest) -> None:
        assert read_manifest(manifest_content(manifest)) == manifest

    def test_has_one_piece_in_each_line(self) -> None:
        manifest = document(joined(planned(1), planned(2)))
        lines = manifest_content(manifest).decode().splitlines()
        assert [json.loads(line.rstrip(","))["Id"] for line in lines[1:3]] == [
            piece.id for piece in manifest.pieces
        ]

    def test_of_10_000_pieces_is_smaller_than_2_5_mb(self) -> None:
        pieces = joined(*(planned(number, pause_seconds=0.5) for number in range(10_000)))
        assert 1_000_000 < len(manifest_content(document(pieces))) < 2_500_000

    def test_leaves_out_what_a_new_piece_does_not_have(self) -> None:
        (piece,) = written(document([planned(1)]))["Pieces"]
        assert set(piece) == {"Id", "Head", "Length", "Characters"}

    def test_with_members_of_a_later_version_can_be_read(self) -> None:
        content = written(one())
        for each in (content, content["Run"], *content["Chapters"], *content["Pieces"]):
            each["Later"] = {"any": ["thing"]}
        assert read_manifest(json.dumps(content).encode()) == one()


class TestDamagedContent:
    @given(st.binary(max_size=200))
    def test_of_any_bytes_is_refused(self, content: bytes) -> None:
        with pytest.raises(MalformedError):
            read_manifest(content)

    @given(st.integers(0), st.integers(1, 8), st.binary(max_size=8))
    def test_with_other_bytes_in_any_place_is_read_or_refused(self, at: int, size: int, new: bytes) -> None:
        content = manifest_content(one())
        at %= len(content)
        try:
            read_manifest(content[:at] + new + content[at + size :])
        except MalformedError:
            return

    @given(ANY_JSON, st.data())
    def test_with_any_value_in_any_place_is_read_or_refused(self, value: Any, data: st.DataObject) -> None:
        content = written(one())
        place = data.draw(
            st.sampled_from([content, content["Run"], *content["Chapters"], *content["Pieces"]])
        )
        place[data.draw(st.sampled_from(sorted(place)))] = value
        try:
            read_manifest(json.dumps(content).encode())
        except MalformedError:
            return

    @pytest.mark.parametrize("name", sorted({*written(one())} - {"Title", "Phase", "PreviousETag"}))
    def test_without_a_member_is_read_or_refused(self, name: str) -> None:
        """Only a member that has a default can be missing."""
        content = written(one())
        del content[name]
        optional = {"SampleRate", "AudioForm", "ETag"}
        if name in optional:
            read_manifest(json.dumps(content).encode())
            return
        with pytest.raises(MalformedError):
            read_manifest(json.dumps(content).encode())

    @pytest.mark.parametrize(
        "content",
        [b"", b"[]", b"{}", b"[" * 100_000, b"1" * 5000, b"<html></html>", '{"a": "é"}'.encode("latin-1")],
    )
    def test_of_another_kind_is_refused(self, content: bytes) -> None:
        with pytest.raises(MalformedError):
            read_manifest(content)

    def test_of_a_batch_is_refused(self) -> None:
        content = written(one()) | {"Format": "airflow_polly_provider/batch-manifest"}
        with pytest.raises(MalformedError, match="not a document's manifest"):
            read_manifest(json.dumps(content).encode())

    def test_of_a_later_version_is_refused(self) -> None:
        with pytest.raises(MalformedError, match="a later version"):
            read_manifest(json.dumps(written(one()) | {"Version": 2}).encode())

    @pytest.mark.parametrize(
        "members",
        [
            {"RunToken": "../etc"},
            {"LayoutId": "x"},
            {"Phase": "done"},
            {"OutputS3Key": ""},
            {"SampleRate": -1},
            {"SampleRate": True},
            {"Run": {}},
            {"Chapters": [{"Title": None, "Level": 1, "PieceCount": 3}]},
            {"Chapters": [{"Title": 3, "Level": 1, "PieceCount": 2}]},
            {"Pieces": [3]},
        ],
        ids=str,
    )
    def test_of_the_header_is_refused(self, members: dict[str, Any]) -> None:
        with pytest.raises(MalformedError):
            read_manifest(json.dumps(written(one()) | members).encode())

    @pytest.mark.parametrize(
        "members",
        [
            {"Id": "abc"},
            {"Id": None},
            {"Head": -1},
            {"Length": 1.5},
            {"PauseSeconds": -1},
            {"PauseSeconds": 10**400},
            {"Offset": "0"},
            {"Size": -1},
            {"PauseSize": None},
        ],
        ids=str,
    )
    def test_of_a_piece_is_refused(self, members: dict[str, Any]) -> None:
        content = written(one())
        content["Pieces"][0] |= members
        with pytest.raises(MalformedError):
            read_manifest(json.dumps(content).encode())
