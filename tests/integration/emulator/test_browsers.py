"""A web page cannot use or change the emulator, no matter which requests the browser sends."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from airflow_polly_provider.emulator.testing import running_emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.emulator.support import MakeClient

SCOPE = "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
SIGNED_URL = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=any%2F20200101%2Fus-east-1%2F{}%2Faws4_request"
)
PAGE = "http://localhost:3000"
CONTROL_PATHS = [
    "/moto-api",
    "/moto-api/",
    "//moto-api/reset",
    "/%6doto-api/reset",
    "/moto-api/reset",
    "/moto-api/config",
    "/moto-api/data.json",
    "/moto-api/recorder/start-recording",
    "/moto-api/recorder/replay-recording",
    "/moto-api/state-manager/set-transition",
]


def send(
    emulator: RunningEmulator, method: str, path: str, body: bytes | str = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Send a request and return status, headers and body; write ``-`` in header names as ``_``."""
    address = urlsplit(emulator.endpoint_url)
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, given)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    # A browser rejects an answer with two Access-Control-Allow-Origin headers.
    assert len(answer.headers.get_all("Access-Control-Allow-Origin", [])) <= 1
    return found


@pytest.fixture
def s3_object(client: MakeClient, emulator: RunningEmulator) -> str:
    """Create an object with public read access, and return its path."""
    client("s3").put_object(Bucket=emulator.bucket, Key="kept", Body=b"content", ACL="public-read")
    return f"/{emulator.bucket}/kept"


@pytest.mark.parametrize("signed_for", [None, "s3", "moto_api", "motoapi"])
@pytest.mark.parametrize("path", CONTROL_PATHS)
def test_motos_control_paths_are_refused_and_have_no_effect(
    emulator: RunningEmulator, s3_object: str, path: str, signed_for: str | None
) -> None:
    headers = {"Authorization": SCOPE.format(signed_for)} if signed_for else {}
    for method in ("GET", "POST"):
        status, _, body = send(emulator, method, path, b"{}", **headers)
        assert status == 403
        assert b"control paths" in body
    assert send(emulator, "GET", s3_object)[2] == b"content"


@pytest.mark.parametrize("service", ["moto_api", "ec2", "lambda", "instance_metadata"])
def test_moto_services_that_the_emulator_does_not_serve_are_refused_by_name(
    emulator: RunningEmulator, service: str
) -> None:
    status, headers, body = send(emulator, "POST", "/", b"{}", Authorization=SCOPE.format(service))
    assert status == 501
    assert headers["x-amzn-errortype"] == "UnknownOperationException"
    assert json.loads(body)["message"] == (
        f"The emulator does not serve {service}: it serves polly, s3, sns, sqs, sts"
    )


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", "http://localhost"])
@pytest.mark.parametrize(
    ("method", "path", "signed_for"),
    [
        ("GET", "/v1/voices", "polly"),
        ("POST", "/v1/synthesisTasks", "polly"),
        ("GET", "/", "s3"),
        ("POST", "/", "sns"),
        ("GET", "/_emulator/counters", None),
        ("POST", "/_emulator/clock", None),
    ],
)
def test_a_foreign_origin_is_refused_for_every_path(
    emulator: RunningEmulator, method: str, path: str, signed_for: str | None, origin: str
) -> None:
    headers = {"Authorization": SCOPE.format(signed_for)} if signed_for else {"X_Polly_Emulator": "1"}
    status, answered, _ = send(emulator, method, path, b"{}", Origin=origin, **headers)
    assert status == 403
    assert not any(name.startswith("access-control") for name in answered)


def test_a_page_cannot_delete_an_object_with_a_form(emulator: RunningEmulator, s3_object: str) -> None:
    delete = b"<Delete><Object><Key>kept</Key></Object></Delete>"
    path = f"/{emulator.bucket}?delete"
    # A browser sends such a request without a preflight request, but always with the page's origin.
    assert send(emulator, "POST", path, delete, Origin=PAGE, Content_Type="text/plain")[0] == 403
    assert send(emulator, "GET", s3_object)[2] == b"content"
    assert send(emulator, "POST", path, delete)[0] == 200
    assert send(emulator, "GET", s3_object)[0] == 404


def test_a_link_cannot_publish_or_send_a_message(emulator: RunningEmulator) -> None:
    for service, action in (("sns", "CreateTopic&Name=a"), ("sqs", "CreateQueue&QueueName=a")):
        status, _, body = send(emulator, "GET", f"/?Action={action}&{SIGNED_URL.format(service)}")
        assert status == 403
        assert "signed in its headers" in json.loads(body)["message"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_or_an_image_on_another_site_uses_up_no_fault(emulator: RunningEmulator, site: str) -> None:
    emulator.faults.add("*", error="ThrottlingException")
    for path in ("/v1/voices", "/v1/synthesisTasks", "/v1/lexicons/name"):
        signed = f"{path}?{SIGNED_URL.format('polly')}"
        assert send(emulator, "GET", signed, Sec_Fetch_Site=site)[0] == 403
    assert emulator.counters.snapshot() == {}
    assert send(emulator, "GET", f"/v1/voices?{SIGNED_URL.format('polly')}")[0] == 400


def test_an_audio_element_on_another_site_can_play_an_object(
    emulator: RunningEmulator, s3_object: str
) -> None:
    assert send(emulator, "GET", s3_object, Sec_Fetch_Site="cross-site")[2] == b"content"


@pytest.mark.parametrize("service", ["polly", "s3", "sns", "sqs", "sts"])
def test_the_error_of_a_client_says_why_the_request_was_refused(
    client: MakeClient, emulator: RunningEmulator, service: str
) -> None:
    calls = {
        "polly": "describe_voices",
        "s3": "list_buckets",
        "sns": "list_topics",
        "sqs": "list_queues",
        "sts": "get_caller_identity",
    }
    made = client(service)

    def rename(request: Any, **_: Any) -> None:
        request.headers["Host"] = "host.docker.internal:1"

    made.meta.events.register("before-send", rename)
    with pytest.raises(ClientError, match=r"AccessDeniedException.*use localhost or 127\.0\.0\.1"):
        getattr(made, calls[service])()


def test_no_answer_allows_other_origins_by_default(emulator: RunningEmulator, s3_object: str) -> None:
    for path in (s3_object, "/v1/voices"):
        for method in ("GET", "OPTIONS"):
            _, headers, _ = send(emulator, method, path, Authorization=SCOPE.format("polly"))
            assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1", ""],
)
@pytest.mark.parametrize(
    ("path", "signed_for"), [("/v1/voices", "polly"), ("/", "s3"), ("/_emulator/counters", None), ("/", None)]
)
def test_a_foreign_host_is_refused_for_every_path(
    emulator: RunningEmulator, path: str, signed_for: str | None, host: str
) -> None:
    headers = {"Authorization": SCOPE.format(signed_for)} if signed_for else {"X_Polly_Emulator": "1"}
    status, _, body = send(emulator, "GET", path, Host=host, **headers)
    assert status == 403
    assert b"use localhost or 127.0.0.1" in body


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:1", "127.0.0.1", "127.8.9.10:80", "[::1]:80", "a.localhost:80", "localhost."],
)
def test_loopback_host_names_are_served(emulator: RunningEmulator, host: str) -> None:
    status, _, _ = send(emulator, "GET", "/v1/voices", Host=host, Authorization=SCOPE.format("polly"))
    assert status == 200


def test_the_emulators_own_pages_are_served(emulator: RunningEmulator, s3_object: str) -> None:
    assert send(emulator, "GET", s3_object, Origin=emulator.endpoint_url)[2] == b"content"


@pytest.fixture(scope="module")
def open_emulator() -> Iterator[RunningEmulator]:
    with running_emulator(audio="none", buckets=("open-to-pages",), cors_origins=(PAGE,)) as running:
        yield running


class TestWithAnAllowedOrigin:
    @pytest.mark.parametrize("path", ["/v1/synthesisTasks", "/open-to-pages/key"])
    def test_its_preflight_requests_are_answered_with_the_allowed_methods_and_headers(
        self, open_emulator: RunningEmulator, path: str
    ) -> None:
        preflight = {
            "Access_Control_Request_Method": "PUT",
            "Access_Control_Request_Headers": "authorization,x-amz-date",
        }
        status, headers, _ = send(open_emulator, "OPTIONS", path, Origin=PAGE, **preflight)
        assert status == 204
        assert headers["access-control-allow-origin"] == PAGE
        assert headers["access-control-allow-methods"] == "PUT"
        assert headers["access-control-allow-headers"] == "authorization,x-amz-date"
        assert send(open_emulator, "OPTIONS", path, Origin="http://localhost:3001", **preflight)[0] == 403

    @pytest.mark.parametrize(("path", "service"), [("/v1/voices", "polly"), ("/", "s3")])
    def test_its_pages_can_read_the_answers(
        self, open_emulator: RunningEmulator, path: str, service: str
    ) -> None:
        status, headers, _ = send(
            open_emulator, "GET", path, Origin=PAGE, Authorization=SCOPE.format(service)
        )
        assert status == 200
        assert headers["access-control-allow-origin"] == PAGE
        assert headers["access-control-expose-headers"] == "*"
        assert headers["vary"] == "Origin"

    def test_its_pages_cannot_use_the_admin_path(self, open_emulator: RunningEmulator) -> None:
        status, _, _ = send(open_emulator, "GET", "/_emulator/counters", Origin=PAGE, X_Polly_Emulator="1")
        assert status == 403
