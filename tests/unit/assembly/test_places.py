from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.assembly.places import document_places
from airflow_polly_provider.aws.s3 import MAX_KEY_BYTES
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.validation import build_request
from airflow_polly_provider.start.token import prefix_with_token
from tests.unit.assembly.documents import BUCKET, KEY, RUN

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.places import DocumentPlaces


def places(key: object = KEY, **given_places: Any) -> DocumentPlaces:
    return document_places(
        BUCKET, key, **{"manifest_key": None, "prefix": None, "run_id": RUN, **given_places}
    )


def keys(found: DocumentPlaces) -> list[str]:
    """Return the keys of the objects that the document operator itself writes."""
    locations = (found.output, found.manifest, found.chapters, found.batch_manifest, found.plan)
    assert {location.bucket for location in locations} == {BUCKET}
    return [location.key for location in locations]


class TestDefaults:
    def test_are_next_to_the_file_and_below_it(self) -> None:
        found = places()
        assert keys(found)[:3] == [KEY, f"{KEY}.manifest.json", f"{KEY}.chapters.json"]
        assert found.prefix == f"{KEY}.pieces/"
        assert all(key.startswith(f"{KEY}.pieces/manifest-") for key in keys(found)[3:])

    def test_of_two_runs_differ_only_in_the_manifests_that_belong_to_a_run(self) -> None:
        one, other = places(), places(run_id=RUN._replace(run_id="another"))
        assert keys(one)[:3] == keys(other)[:3]
        assert not {*keys(one)[3:]} & {*keys(other)[3:]}

    def test_of_a_key_that_is_an_integer(self) -> None:
        assert keys(places(2026))[:2] == ["2026", "2026.manifest.json"]

    @pytest.mark.parametrize(
        ("key", "prefix"),
        [
            ("Bücher/Zürich.mp3", "B_cher/Z_rich.mp3.pieces/"),
            ("a b#c%d.mp3", "a_b_c_d.mp3.pieces/"),
            ("all/0!-_.*'():;$@=+,?&z.mp3", "all/0!-_.*'():;$@=+,?&z.mp3.pieces/"),
        ],
    )
    def test_replace_characters_that_a_prefix_cannot_contain(self, key: str, prefix: str) -> None:
        found = places(key)
        assert (found.output.key, found.prefix) == (key, prefix)

    @given(st.text(min_size=1, max_size=1000))
    def test_give_a_prefix_that_polly_accepts_for_every_valid_key(self, key: str) -> None:
        try:
            found = places(key)
        except PollyInvalidRequestError:
            return
        build_request(
            Text="a",
            VoiceId="Amy",
            OutputFormat="mp3",
            OutputS3BucketName=BUCKET,
            OutputS3KeyPrefix=prefix_with_token(found.prefix, 16 * "a"),
        )
        assert len({*keys(found)}) == 5
        assert max(len(key.encode()) for key in keys(found)) <= MAX_KEY_BYTES


class TestGivenPlaces:
    def test_are_used(self) -> None:
        found = places(manifest_key="manifests/alice.json", prefix="working/alice-")
        assert found.manifest.key == "manifests/alice.json"
        assert found.prefix == "working/alice-"
        assert found.batch_manifest.key.startswith("working/manifest-")

    def test_do_not_move_the_chapters(self) -> None:
        assert places(manifest_key="m.json").chapters.key == f"{KEY}.chapters.json"

    @pytest.mark.parametrize("manifest_key", [KEY, f"{KEY}.chapters.json"])
    def test_that_are_the_same_are_refused(self, manifest_key: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match="are the same"):
            places(manifest_key=manifest_key)

    @pytest.mark.parametrize("name", ["batch_manifest", "plan"])
    def test_that_the_batch_uses_are_refused(self, name: str) -> None:
        used = getattr(places(), name).key
        with pytest.raises(PollyInvalidRequestError, match="are the same"):
            places(manifest_key=used)

    @pytest.mark.parametrize("key", ["", " ", "folder/", "s3://my-bucket/a.mp3", 1100 * "a", None, 1.5, True])
    def test_that_are_no_key_are_refused(self, key: Any) -> None:
        with pytest.raises(PollyInvalidRequestError, match="output_s3_key"):
            places(key)

    @pytest.mark.parametrize("key", ["", "folder/", "s3://my-bucket/a.json", 1100 * "a"])
    def test_that_are_no_key_of_a_manifest_are_refused(self, key: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match="manifest_s3_key"):
            places(manifest_key=key)

    def test_leave_room_for_the_key_of_the_chapters(self) -> None:
        """Otherwise S3 refuses the chapters after the pieces have been paid for."""
        with pytest.raises(PollyInvalidRequestError, match="output_s3_key"):
            places(1020 * "a", manifest_key="m.json")
