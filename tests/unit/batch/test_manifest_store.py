from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.batch import manifest_requests, manifest_store
from airflow_polly_provider.batch.manifest import ENDED
from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyCredentialsError,
    PollyError,
    PollyIncompleteAnswerError,
    PollyInvalidRequestError,
    PollyManifestReplacedError,
)
from tests.unit.batch.fake_s3 import BUCKET, FakeS3, refusal, respond
from tests.unit.batch.records import manifest, record, started
from tests.unit.support import warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSResponse

KEY = "batches/one.json"
TIMED_OUT = ReadTimeoutError(endpoint_url="https://s3.test")


@pytest.fixture(scope="module")
def _one_s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def s3(_one_s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    """Return an empty S3. Pauses between attempts are skipped."""
    monkeypatch.setattr(manifest_store, "_WRITE_AGAIN_SECONDS", 0)
    _one_s3.objects.clear()
    _one_s3.requests.clear()
    _one_s3.before = _one_s3.after = lambda method, key: None
    return _one_s3


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_store, "ITEMS_PER_PART", 10)


def store(s3: FakeS3) -> ManifestStore:
    return ManifestStore(s3.client, S3Location(BUCKET, KEY))


def on_put(answer: Any, times: int = 1) -> Callable[[str, str], Exception | AWSResponse | None]:
    """Return a fault for the first requests that write the main object."""
    left = [times]

    def fault(method: str, key: str) -> Exception | AWSResponse | None:
        if method != "PUT" or key != KEY or not left[0]:
            return None
        left[0] -= 1
        given: Exception | AWSResponse = answer() if callable(answer) else answer
        return given

    return fault


class TestStore:
    def test_loads_what_it_saved(self, s3: FakeS3) -> None:
        one = manifest([started(1), record(2)])
        store(s3).save(one)
        reader = store(s3)
        assert reader.load() == one
        assert reader.load(etag=reader.etag) == one
        assert reader.uri == f"s3://{BUCKET}/{KEY}"

    def test_returns_none_if_there_is_no_object(self, s3: FakeS3) -> None:
        assert store(s3).load() is None

    def test_counts_the_bytes_that_it_writes(self, s3: FakeS3) -> None:
        writer = store(s3)
        writer.save(manifest([]))
        first = len(s3.objects[KEY])
        writer.save(manifest([record()]))
        assert writer.bytes_written == first + len(s3.objects[KEY])

    def test_replaces_the_manifest_that_it_loaded(self, s3: FakeS3) -> None:
        store(s3).save(manifest([], phase=ENDED))
        writer = store(s3)
        writer.load()
        writer.save(manifest([record()]))
        assert store(s3).load() == manifest([record()])


class TestTwoWriters:
    def test_of_a_new_manifest_cannot_both_write(self, s3: FakeS3) -> None:
        first, second = store(s3), store(s3)
        first.save(manifest([record(1)]))
        with pytest.raises(PollyManifestReplacedError, match="another try of this task has taken over"):
            second.save(manifest([record(1)]))
        first.save(manifest([started(1)]))

    def test_of_the_same_manifest_cannot_both_write(self, s3: FakeS3) -> None:
        first, second = store(s3), store(s3)
        first.save(manifest([]))
        second.load()
        second.save(manifest([record()]))
        with pytest.raises(PollyManifestReplacedError):
            first.save(manifest([]))
        assert store(s3).load() == manifest([record()])

    def test_of_the_same_content_cannot_both_write(self, s3: FakeS3) -> None:
        first, second = store(s3), store(s3)
        first.save(manifest([]))
        second.load()
        second.save(manifest([]))
        with pytest.raises(PollyManifestReplacedError):
            first.save(manifest([]))

    def test_stop_if_the_manifest_was_deleted(self, s3: FakeS3) -> None:
        writer = store(s3)
        writer.save(manifest([]))
        s3.objects.clear()
        with pytest.raises(PollyManifestReplacedError, match="or deleted"):
            writer.save(manifest([]))
        assert s3.objects == {}

    def test_make_a_reader_with_an_etag_fail(self, s3: FakeS3) -> None:
        writer = store(s3)
        writer.save(manifest([]))
        etag = writer.etag
        writer.save(manifest([record()]))
        with pytest.raises(PollyManifestReplacedError):
            store(s3).load(etag=etag)
        s3.objects.clear()
        with pytest.raises(PollyManifestReplacedError):
            store(s3).load(etag=writer.etag)


class TestLostResponse:
    @pytest.mark.parametrize("lost", [TIMED_OUT, refusal(503, "SlowDown"), refusal(500, "InternalError")])
    def test_of_a_write_that_arrived_is_accepted(self, s3: FakeS3, lost: Any) -> None:
        writer = store(s3)
        writer.save(manifest([]))
        s3.after = on_put(lost)
        writer.save(manifest([record(1)]))
        writer.save(manifest([started(1)]))
        assert store(s3).load() == manifest([started(1)])
        assert s3.written() == [KEY] * 3

    def test_of_a_write_that_boto3_repeated_is_accepted(
        self, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        persistent = FakeS3(attempts=3)
        persistent.after = on_put(TIMED_OUT)
        writer = store(persistent)
        writer.save(manifest([record(1)]))
        assert persistent.written() == [KEY, KEY]
        persistent.after = lambda method, key: None
        writer.save(manifest([started(1)]))

    def test_of_a_write_that_did_not_arrive_makes_the_store_write_again(self, s3: FakeS3) -> None:
        s3.before = on_put(TIMED_OUT, times=2)
        store(s3).save(manifest([record(1)]))
        assert s3.written() == [KEY] * 3
        assert store(s3).load() == manifest([record(1)])

    def test_of_every_write_is_raised(self, s3: FakeS3) -> None:
        s3.before = on_put(TIMED_OUT, times=99)
        with pytest.raises(ReadTimeoutError):
            store(s3).save(manifest([]))
        assert s3.written() == [KEY] * 3

    def test_is_an_error_if_another_try_wrote_meanwhile(self, s3: FakeS3) -> None:
        def other_writes() -> Exception:
            s3.objects[KEY] = b"{}"
            return TIMED_OUT

        s3.before = on_put(other_writes)
        with pytest.raises(PollyManifestReplacedError):
            store(s3).save(manifest([]))

    def test_of_a_conflict_makes_the_store_write_again(self, s3: FakeS3) -> None:
        s3.before = on_put(lambda: refusal(409, "ConditionalRequestConflict"))
        store(s3).save(manifest([record(1)]))
        assert store(s3).load() == manifest([record(1)])


@pytest.mark.usefixtures("small_parts")
class TestParts:
    RECORDS = [record(number) for number in range(25)]  # noqa: RUF012  # no test changes it

    def test_are_written_before_the_main_object_and_read_in_order(self, s3: FakeS3) -> None:
        store(s3).save(manifest(self.RECORDS))
        written = s3.written()
        assert len(written) == 4
        assert written[-1] == KEY
        assert all(key.startswith(f"{KEY}.parts/") for key in written[:3])
        assert store(s3).load() == manifest(self.RECORDS)

    def test_that_did_not_change_are_not_written_again_and_replaced_ones_are_deleted(
        self, s3: FakeS3
    ) -> None:
        store(s3).save(manifest(self.RECORDS))
        writer = store(s3)
        writer.load()
        before = set(s3.objects)
        s3.requests.clear()
        writer.save(manifest([*self.RECORDS[:24], started(24)]))
        assert len(s3.written()) == 2
        assert len(before - set(s3.objects)) == len(set(s3.objects) - before) == 1
        assert s3.requests[-1][0] == "DELETE"

    def test_are_deleted_when_a_smaller_manifest_replaces_them(self, s3: FakeS3) -> None:
        writer = store(s3)
        writer.save(manifest(self.RECORDS))
        writer.save(manifest([]))
        assert list(s3.objects) == [KEY]

    def test_of_another_run_token_have_other_names(self, s3: FakeS3) -> None:
        writer = store(s3)
        writer.save(manifest(self.RECORDS))
        earlier = set(s3.objects)
        writer.save(manifest(self.RECORDS, run_token="a" * 16))
        assert earlier & set(s3.objects) == {KEY}

    def test_remain_with_a_warning_if_they_cannot_be_deleted(
        self, s3: FakeS3, caplog: pytest.LogCaptureFixture
    ) -> None:
        writer = store(s3)
        writer.save(manifest(self.RECORDS))
        s3.before = lambda method, key: refusal(403, "AccessDenied") if method == "DELETE" else None
        writer.save(manifest([]))
        assert len(s3.objects) == 4
        assert "Allow s3:DeleteObject" in warnings_in(caplog)[0]

    def test_that_were_replaced_while_they_were_read_are_an_error_that_says_so(self, s3: FakeS3) -> None:
        writer = store(s3)
        writer.save(manifest(self.RECORDS))

        def replace_once(method: str, key: str) -> None:
            if method == "GET" and key != KEY:
                s3.before = lambda method, key: None
                writer.save(manifest([]))

        s3.before = replace_once
        with pytest.raises(PollyManifestReplacedError):
            store(s3).load()

    @pytest.mark.parametrize("change", ["remove", "change", "foreign"])
    def test_that_are_damaged_are_refused(self, s3: FakeS3, change: str) -> None:
        store(s3).save(manifest(self.RECORDS))
        part = next(key for key in s3.objects if key != KEY)
        if change == "remove":
            del s3.objects[part]
        elif change == "change":
            s3.objects[part] += b" "
        else:
            s3.objects[KEY] = s3.objects[KEY].replace(b"ylgbwnsqy7cfpc3w", b"a" * 16)
        with pytest.raises(PollyInvalidRequestError, match=r"\.parts/.*Choose another manifest_s3_key"):
            store(s3).load()

    @pytest.mark.parametrize("forged", ["secrets.json", f"{KEY}.parts/../../x.json", "listed twice"])
    def test_at_other_keys_are_neither_read_nor_deleted(self, s3: FakeS3, forged: str) -> None:
        store(s3).save(manifest(self.RECORDS))
        content = json.loads(s3.objects[KEY])
        content["Parts"][0]["Key"] = content["Parts"][1]["Key"] if forged == "listed twice" else forged
        s3.objects[KEY] = json.dumps(content).encode()
        s3.requests.clear()
        reader = store(s3)
        with pytest.raises(PollyInvalidRequestError):
            reader.load()
        assert s3.requests == [("GET", KEY)]
        assert reader.etag is None


def test_25_000_items_are_stored_in_three_parts_and_read_back(s3: FakeS3) -> None:
    records = [started(number) for number in range(25_000)]
    writer = store(s3)
    writer.save(manifest(records))
    assert len(s3.objects) == 4
    assert max(map(len, s3.objects.values())) < 4_500_000
    assert len(s3.objects[KEY]) < 2000
    s3.requests.clear()
    records[24_999] = replace(records[24_999], status="completed")
    writer.save(manifest(records))
    assert len(s3.written()) == 2
    loaded = store(s3).load()
    assert loaded == manifest(records)
    assert len(loaded.unfinished_ids()) == 24_999


class TestErrors:
    @pytest.mark.parametrize(
        ("method", "words"), [("GET", ["s3:GetObject", "s3:ListBucket"]), ("PUT", ["s3:PutObject"])]
    )
    def test_of_denied_requests_name_the_action_and_the_object(
        self, s3: FakeS3, method: str, words: list[str]
    ) -> None:
        s3.before = lambda given, key: refusal(403, "AccessDenied") if given == method else None
        with pytest.raises(PollyConfigurationError) as error:
            (store(s3).load if method == "GET" else lambda: store(s3).save(manifest([])))()
        assert all(word in str(error.value) for word in [*words, f"s3://{BUCKET}/{KEY}"])

    @pytest.mark.parametrize(
        ("fault", "error_class"),
        [
            (refusal(404, "NoSuchBucket"), PollyInvalidRequestError),
            (refusal(400, "ExpiredToken"), PollyCredentialsError),
            (NoCredentialsError(), PollyCredentialsError),
            (refusal(400, "InvalidRequest"), PollyError),
            (refusal(503, "SlowDown"), ClientError),
            (ConnectTimeoutError(endpoint_url="x"), ConnectTimeoutError),
            (respond(200, b"<html></html>"), PollyIncompleteAnswerError),
            (respond(200, b"<html></html>", ETag='"a"'), PollyInvalidRequestError),
        ],
    )
    def test_of_s3_have_a_class_that_says_whether_to_retry(
        self, s3: FakeS3, fault: Any, error_class: type[Exception]
    ) -> None:
        s3.before = lambda method, key: fault
        with pytest.raises(error_class) as error:
            store(s3).load()
        assert type(error.value) is error_class

    def test_of_an_object_that_is_too_large_is_raised_before_it_is_parsed(
        self, s3: FakeS3, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(manifest_requests, "MAX_OBJECT_BYTES", 1000)
        s3.objects[KEY] = b"{" * 1001
        with pytest.raises(PollyInvalidRequestError, match="too many for a manifest"):
            store(s3).load()

    @given(content=st.binary() | st.text().map(str.encode) | st.sampled_from([b"[" * 100_000, b"null"]))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
    def test_of_foreign_objects_are_always_those_of_this_package(self, s3: FakeS3, content: bytes) -> None:
        s3.objects[KEY] = content
        with pytest.raises(PollyInvalidRequestError, match="Choose another manifest_s3_key"):
            store(s3).load()
