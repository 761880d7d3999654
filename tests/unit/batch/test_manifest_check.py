from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.batch.manifest import ENDED, STARTING
from airflow_polly_provider.batch.manifest_check import validate_manifest
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.batch.records import RUN, delivered, digest, manifest, record, started, task_id

if TYPE_CHECKING:
    from airflow_polly_provider.batch.manifest import ItemRecord, Manifest

URI = "s3://my-bucket/batch.json"
EXPECTED = [record(1), record(2), record(3, output_s3_key="final/3.mp3")]


def validate(one: Manifest, expected: list[ItemRecord] = EXPECTED) -> bool:
    return validate_manifest(one, uri=URI, run=RUN, expected=expected)


class TestManifestOfThisRun:
    def test_is_accepted_with_its_outputs_at_pollys_and_at_the_users_key(self) -> None:
        at_key = "https://s3.eu-west-1.amazonaws.com/my-bucket/final/3.mp3"
        third = replace(started(3, "completed"), output_s3_key="final/3.mp3", output_uri=at_key)
        assert validate(manifest([delivered(1), started(2), third]))

    def test_without_tokens_is_accepted(self) -> None:
        uri = f"https://s3.eu-west-1.amazonaws.com/my-bucket/podcasts/episode/.{task_id(1)}.mp3"
        assert validate(manifest([replace(delivered(1), output_uri=uri)], durable=False))

    def test_is_accepted_if_an_item_has_changed(self) -> None:
        assert validate(manifest([delivered(1)]), [record(1, digest=digest(99))])

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"bucket": "other"}, "bucket 'other'"),
            ({"prefix": "secret/"}, "prefix 'secret/'"),
            ({"prefix": None}, "prefix None"),
            ({"output_uri": "https://s3.eu-west-1.amazonaws.com/other/a.mp3"}, "OutputUri"),
            ({"output_uri": "https://s3.eu-west-1.amazonaws.com/my-bucket/secret.txt"}, "OutputUri"),
            ({"output_uri": "https://evil.example/my-bucket/final/1.mp3"}, "OutputUri"),
            ({"output_uri": "https://[::1/x"}, "OutputUri"),
            ({"output_uri": "x"}, "OutputUri"),
            ({"task_id": task_id(7)}, "OutputUri"),
        ],
        ids=str,
    )
    def test_that_names_another_place_is_refused(self, fields: dict[str, Any], problem: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"damaged or forged.*delete the object") as error:
            validate(manifest([replace(delivered(1), **fields)]))
        assert problem in str(error.value)

    def test_with_the_place_of_another_item_is_refused(self) -> None:
        expected = [record(1), record(2, prefix="other/")]
        with pytest.raises(PollyInvalidRequestError, match="of another item"):
            validate(manifest([started(1, prefix="other/")]), expected)

    def test_with_the_same_id_twice_is_refused(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match="'chapter-00001' occurs 2 times"):
            validate(manifest([started(1), started(1)]))

    def test_with_many_problems_names_only_the_first(self) -> None:
        forged = [started(number, bucket="other") for number in range(1000)]
        with pytest.raises(PollyInvalidRequestError, match="and 995 more") as error:
            validate(manifest(forged))
        assert len(str(error.value)) < 2000


class TestManifestOfAnotherRun:
    OTHER = RUN._replace(run_id="other")

    def test_that_has_ended_may_be_replaced(self) -> None:
        assert not validate(manifest([started(9, bucket="other")], run=self.OTHER, phase=ENDED))

    def test_that_has_not_ended_is_refused(self) -> None:
        with pytest.raises(PollyInvalidRequestError, match=r"run 'other'.*\{\{ run_id \}\}"):
            validate(manifest([], run=self.OTHER, phase=STARTING))
