"""The S3 client that many objects and several threads share, and the copy of an object."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from airflow_polly_provider.aws.s3 import S3Location
from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook
from airflow_polly_provider.exceptions import PollyConnectionNotFoundError
from airflow_polly_provider.output.s3_access import COPY_PART_BYTES, S3Access
from tests.unit.support import connection

if TYPE_CHECKING:
    from tests.unit.support import Wire

CONNECTION: dict[str, Any] = {"aws_conn_id": "aws_default", "region_name": None}
ORIGINAL = S3Location("bucket", "working/audio.t1.mp3")
TARGET = S3Location("bucket", "final.mp3")
METADATA = {"polly-task-id": "t1"}
MADE_AS = {
    "MetadataDirective": "REPLACE",
    "Metadata": METADATA,
    "ContentType": "audio/mpeg",
    "CopySourceIfMatch": '"e"',
}

pytestmark = pytest.mark.usefixtures("wire")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the threads in which S3 clients were created."""
    threads: list[str] = []
    original = NamedConnectionS3Hook.get_client_type

    def recording(self: Any, *args: Any, **kwargs: Any) -> Any:
        threads.append(threading.current_thread().name)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(NamedConnectionS3Hook, "get_client_type", recording)
    return threads


def head(size: int) -> dict[str, Any]:
    return {"ContentLength": size, "ContentType": "audio/mpeg", "ETag": '"e"'}


class TestClient:
    def test_is_not_created_before_it_is_needed(self, made: list[str]) -> None:
        S3Access(CONNECTION)
        assert made == []

    def test_is_created_in_the_main_thread_and_shared_by_all_threads(
        self, made: list[str], wire: Wire
    ) -> None:
        access = S3Access(CONNECTION, max_pool_connections=8)
        access.prepare()
        with ThreadPoolExecutor(8) as threads:
            heads = list(threads.map(access.head, [S3Location("bucket", str(n)) for n in range(100)]))
        assert (len(heads), len(wire.s3_reads)) == (100, 100)
        assert made == [threading.main_thread().name]

    def test_is_kept_by_a_second_prepare(self, made: list[str]) -> None:
        access = S3Access(CONNECTION)
        access.prepare()
        access.prepare()
        assert len(made) == 1

    def test_is_replaced_at_its_next_use_after_renew(self, made: list[str]) -> None:
        access = S3Access(CONNECTION)
        before = access.client
        access.renew()
        assert access.client is not before
        assert len(made) == 2

    def test_that_threads_share_is_replaced_by_the_next_prepare_only(self, made: list[str]) -> None:
        access = S3Access(CONNECTION)
        access.prepare()
        before = access.client
        access.renew()
        assert access.client is before
        access.prepare()
        assert access.client is not before
        assert len(made) == 2

    @pytest.mark.parametrize(("own", "threads", "size"), [(None, 4, 10), (None, 32, 32), (50, 32, 50)])
    def test_has_a_connection_for_each_thread(
        self, monkeypatch: pytest.MonkeyPatch, own: int | None, threads: int, size: int
    ) -> None:
        settings = {} if own is None else {"config_kwargs": {"max_pool_connections": own}}
        monkeypatch.setenv("AIRFLOW_CONN_POOL", connection(region_name="eu-west-1", **settings))
        access = S3Access({"aws_conn_id": "pool"}, max_pool_connections=threads)
        assert access.client.meta.config.max_pool_connections == size

    def test_keeps_the_other_settings_of_the_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = {"read_timeout": 300, "proxies": {"https": "proxy:3128"}}
        monkeypatch.setenv("AIRFLOW_CONN_SLOW", connection(region_name="eu-west-1", config_kwargs=settings))
        config = S3Access({"aws_conn_id": "slow"}, config=Config(read_timeout=5)).client.meta.config
        assert (config.read_timeout, config.proxies) == (5, {"https": "proxy:3128"})

    def test_of_a_missing_connection_is_refused(self) -> None:
        access = S3Access({"aws_conn_id": "misspelt"}, look_up_seconds=0.0)
        with pytest.raises(PollyConnectionNotFoundError, match="misspelt"):
            access.prepare()


class TestHead:
    def test_of_a_missing_object_is_none(self) -> None:
        access = S3Access(CONNECTION)
        with Stubber(access.client) as s3:
            s3.add_client_error("head_object", "404", http_status_code=404)
            assert access.head(ORIGINAL) is None

    def test_that_is_denied_is_an_error(self) -> None:
        access = S3Access(CONNECTION)
        with Stubber(access.client) as s3:
            s3.add_client_error("head_object", "403", http_status_code=403)
            with pytest.raises(ClientError):
                access.head(ORIGINAL)


class TestCopy:
    def test_is_one_request_of_the_object_that_head_described(self) -> None:
        access = S3Access(CONNECTION)
        with Stubber(access.client) as s3:
            source = {"Bucket": ORIGINAL.bucket, "Key": ORIGINAL.key}
            asked = {"Bucket": TARGET.bucket, "Key": TARGET.key, "CopySource": source, **MADE_AS}
            s3.add_response("copy_object", {}, asked)
            access.copy(ORIGINAL, head(COPY_PART_BYTES - 1), TARGET, METADATA)
            s3.assert_no_pending_responses()

    @pytest.mark.parametrize("own", [None, 8 * 1024 * 1024])
    def test_of_a_large_object_is_left_to_boto3(
        self, monkeypatch: pytest.MonkeyPatch, own: int | None
    ) -> None:
        settings = {} if own is None else {"multipart_threshold": own}
        service = {"s3": {"transfer_config_args": settings}}
        monkeypatch.setenv("AIRFLOW_CONN_LARGE", connection(region_name="eu-west-1", service_config=service))
        access = S3Access({"aws_conn_id": "large"})
        copies: list[tuple[Any, ...]] = []

        def copy(*place: Any, ExtraArgs: Any, Config: Any) -> None:  # noqa: N803 - boto3's names
            copies.append((*place, ExtraArgs, Config.multipart_threshold, Config.multipart_chunksize))

        monkeypatch.setattr(access.client, "copy", copy)
        threshold = access.transfer_config.multipart_threshold
        # Older versions of the amazon provider ignore the connection's threshold.
        assert threshold in {own or COPY_PART_BYTES, COPY_PART_BYTES}
        access.copy(ORIGINAL, head(threshold), TARGET, METADATA)
        source = {"Bucket": ORIGINAL.bucket, "Key": ORIGINAL.key}
        assert copies == [(source, TARGET.bucket, TARGET.key, MADE_AS, threshold, COPY_PART_BYTES)]
