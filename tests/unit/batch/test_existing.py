"""Looks at many objects in S3 with threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.batch import existing
from airflow_polly_provider.batch.existing import in_threads, missing_objects
from tests.unit.batch.engine import Bucket, key_of, own_threads, s3_access
from tests.unit.batch.fake_s3 import refusal
from tests.unit.batch.records import delivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSResponse


@pytest.fixture
def bucket(aws_default: None, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket()
    bucket.install(monkeypatch)
    return bucket


class TestMissingObjects:
    def test_are_those_that_s3_does_not_have(self, bucket: Bucket) -> None:
        records = [delivered(number) for number in range(5)]
        bucket.add(*(key_of(each.output_uri) for each in records[::2]))
        assert missing_objects(records, s3_access(), lambda record: None) == records[1::2]

    @pytest.mark.parametrize(
        "fault", [lambda: refusal(403, "403"), lambda: refusal(500, "500")], ids=["denied", "failed"]
    )
    def test_are_not_those_about_which_s3_does_not_tell(
        self, bucket: Bucket, fault: Callable[[], AWSResponse]
    ) -> None:
        bucket.before = lambda method, key: fault()
        assert missing_objects([delivered()], s3_access(), lambda record: None) == []


def test_results_keep_their_order_and_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(existing, "_AT_ONCE", 3)
    assert list(in_threads(lambda number: number * 2, range(8))) == [(each, each * 2) for each in range(8)]
    assert own_threads() == []


def test_an_error_is_raised_and_threads_end() -> None:
    def look(number: int) -> float:
        return 1 / (3 - number)

    with pytest.raises(ZeroDivisionError):
        list(in_threads(look, range(50)))
    assert own_threads() == []
