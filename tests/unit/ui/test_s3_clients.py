from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import BotoCoreError

from airflow_polly_provider.exceptions import PollyConfigurationError, PollyConnectionNotFoundError
from airflow_polly_provider.ui import s3_clients
from airflow_polly_provider.ui.s3_clients import AwsConnection, S3Clients
from tests.unit.support import connection

DEFAULT = AwsConnection("aws_default")


def test_the_connection_in_an_xcom_is_read() -> None:
    value = {"AwsConnId": "mine", "RegionName": "eu-west-3", "Verify": False, "CustomEndpoint": True}
    assert AwsConnection.from_xcom(value) == AwsConnection("mine", "eu-west-3", False)
    assert AwsConnection.from_xcom({"AwsConnId": None}) == AwsConnection(None, None, None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "aws_default",
        [],
        {},
        {"RegionName": "eu-west-1"},
        {"AwsConnId": 5},
        {"AwsConnId": ["a"]},
        {"AwsConnId": "a", "RegionName": {}},
        {"AwsConnId": "a", "Verify": 5},
        {"AwsConnId": "a", "Verify": []},
    ],
)
def test_a_value_of_another_form_is_no_connection(value: object) -> None:
    assert AwsConnection.from_xcom(value) is None


@pytest.mark.usefixtures("aws_default")
def test_a_client_is_kept_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = S3Clients()
    first = clients.client(DEFAULT)
    assert clients.client(DEFAULT) is first
    assert clients.client(DEFAULT._replace(region_name="us-east-1")) is not first
    monkeypatch.setattr(s3_clients, "_KEPT_SECONDS", 0)
    assert clients.client(DEFAULT) is not first


@pytest.mark.usefixtures("aws_default")
def test_a_forgotten_client_is_created_again() -> None:
    clients = S3Clients()
    first = clients.client(DEFAULT)
    clients.forget(DEFAULT)
    clients.forget(DEFAULT)
    assert clients.client(DEFAULT) is not first


@pytest.mark.usefixtures("aws_default")
def test_only_the_last_clients_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_clients, "_MAX_CLIENTS", 2)
    clients = S3Clients()
    regions = [DEFAULT._replace(region_name=name) for name in ("eu-west-1", "eu-west-2", "eu-west-3")]
    first, second, _ = map(clients.client, regions)
    assert clients.client(regions[1]) is second
    assert clients.client(regions[0]) is not first


def test_simultaneous_listeners_create_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    created = []

    def create(asked: AwsConnection) -> object:
        created.append(asked)
        threading.Event().wait(0.05)
        return object()

    monkeypatch.setattr(s3_clients, "_new_client", create)
    clients = S3Clients()
    with ThreadPoolExecutor(8) as pool:
        got = set(pool.map(clients.client, [DEFAULT] * 8))
    assert len(got) == len(created) == 1


@pytest.mark.usefixtures("aws_default")
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_presigned_url_has_the_current_signature(region: str) -> None:
    """SSE-KMS refuses the old signature, which is the default of botocore in us-east-1."""
    client = S3Clients().client(DEFAULT._replace(region_name=region))
    url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert parse_qs(urlsplit(url).query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_the_connection_s_own_settings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    extra: dict[str, Any] = {
        "endpoint_url": "http://127.0.0.1:9000",
        "region_name": "eu-west-3",
        "config_kwargs": {"s3": {"addressing_style": "path"}, "signature_version": "s3v4a"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MINIO", connection(**extra))
    client = S3Clients().client(AwsConnection("minio"))
    assert client.meta.endpoint_url == "http://127.0.0.1:9000"
    assert client.meta.region_name == "eu-west-3"
    assert client.meta.config.s3["addressing_style"] == "path"
    assert client.meta.config.signature_version == "s3v4a"
    assert client.meta.config.read_timeout == 20


@pytest.mark.usefixtures("aws_default")
def test_a_missing_connection_is_an_error_and_not_replaced_by_other_credentials() -> None:
    with pytest.raises(PollyConnectionNotFoundError, match="'nobody' was not found"):
        S3Clients().client(AwsConnection("nobody"))


def test_an_invalid_connection_is_an_error_without_its_content(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", connection(config_kwargs={"no_such_option": "top-secret"}))
    with pytest.raises(PollyConfigurationError, match="cannot use the connection 'broken'") as raised:
        S3Clients().client(AwsConnection("broken"))
    assert "top-secret" not in str(raised.value)
    assert "Cannot create an S3 client" in caplog.text


@pytest.mark.usefixtures("aws_default")
@pytest.mark.parametrize(
    "region", ["evil.example/", "eu-west-1.evil.example#", "", "a" * 300, "\ud800", "a\0b"]
)
def test_a_forged_region_reaches_no_other_host(region: str) -> None:
    try:
        client = S3Clients().client(DEFAULT._replace(region_name=region))
    except (BotoCoreError, PollyConfigurationError):
        return
    assert (urlsplit(client.meta.endpoint_url).hostname or "").endswith(".amazonaws.com")


@pytest.mark.usefixtures("aws_default")
@pytest.mark.parametrize(
    ("region", "bucket", "address"),
    [
        ("eu-west-1", "bucket", "https://bucket.s3.eu-west-1.amazonaws.com/k?"),
        ("us-east-1", "bucket", "https://bucket.s3.us-east-1.amazonaws.com/k?"),
        ("eu-west-1", "b.with.dots", "https://s3.eu-west-1.amazonaws.com/b.with.dots/k?"),
        ("cn-north-1", "bucket", "https://bucket.s3.cn-north-1.amazonaws.com.cn/k?"),
    ],
)
def test_a_presigned_url_names_the_region(region: str, bucket: str, address: str) -> None:
    """S3 redirects a URL without a region for a new bucket. The signature is then wrong."""
    client = S3Clients().client(DEFAULT._replace(region_name=region))
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert url.startswith(address)
