"""Requests that no correct client sends: the emulator rejects them and continues to serve."""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import botocore.session
import pytest
from moto.moto_api._internal import urls

from airflow_polly_provider.emulator.testing import running_emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator

MODEL = botocore.session.get_session().get_service_model("polly")
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/polly/aws4_request"
REQUESTS = 20_000
STRANGE = [
    "",
    "\0",
    "a" * 5000,
    "é😀\u202e",
    "../../../etc/passwd",
    "%00%ff",
    "<speak>",
    '<!DOCTYPE speak [<!ENTITY a "b">]><speak>&a;</speak>',
    "'; DROP TABLE tasks; --",
    "${jndi:ldap://x}",
    "\\ud800",
    -1,
    0,
    2**70,
    1.5,
    float("inf"),
    None,
    True,
    [],
    [[[[]]]],
    {},
    {"a": {"b": {}}},
]
FOREIGN_HOSTS = ["evil.example", "evil.example:80", "localhost.evil.example", "", ":", "[", "192.0.2.1", "é"]
OWN_HOSTS = ["localhost", "audio.localhost:80", "127.0.0.2", "[::1]:1"]
FOREIGN_ORIGINS = ["https://evil.example", "null", "", "http://localhost:3000", "http://127.0.0.1", "é"]
SERVICES = ["polly", "s3", "sns", "sqs", "sts", "moto_api", "ec2"]
CONTROL_PATHS = [
    *(path.removeprefix("{0}").rstrip("$") for path in urls.url_paths),
    *(f"/_emulator{path}" for path in ("", "/faults", "/clock", "/counters", "/tasks", "/quotas")),
]


class Fuzzer:
    """Generates partly valid requests, the same in each run."""

    def __init__(self) -> None:
        self.random = random.Random(4)

    def request(self) -> tuple[str, str, bytes]:
        operation = MODEL.operation_model(self.random.choice(MODEL.operation_names))
        method, path = operation.http["method"], operation.http["requestUri"]
        if self.random.random() < 0.05:
            method = self.random.choice(["PATCH", "DELETE", "TRACE", "FOO", "HEAD"])
        shape = operation.input_shape
        values = {name: self.value(member) for name, member in shape.members.items()} if shape else {}
        for name in list(values):
            if self.random.random() < 0.2:
                del values[name]
        query = []
        for name, member in shape.members.items() if shape else ():
            wire = member.serialization.get("name", name)
            if member.serialization.get("location") == "uri":
                path = path.replace("{" + wire + "}", quote(str(values.pop(name, "x")), safe=""))
            elif member.serialization.get("location") == "querystring" and name in values:
                query.append(f"{quote(wire)}={quote(str(values.pop(name)))}")
        body = json.dumps(values).encode()
        if self.random.random() < 0.2:
            body = self.mangled(body)
        return method, path + ("?" + "&".join(query) if query else ""), body

    def headers(self) -> tuple[dict[str, str], bool]:
        """Return headers, and whether the emulator must refuse them as those of a web page."""
        headers, is_forbidden = {"Authorization": AUTHORIZATION}, False
        if self.random.random() < 0.05:
            headers["Host"] = self.random.choice(FOREIGN_HOSTS)
            is_forbidden = True
        elif self.random.random() < 0.05:
            headers["Host"] = self.random.choice(OWN_HOSTS)
        if self.random.random() < 0.05:
            headers["Origin"] = self.random.choice(FOREIGN_ORIGINS)
            is_forbidden = True
        return headers, is_forbidden

    def control_path(self) -> str:
        """Return a control path of moto or of the emulator, randomly encoded."""
        path = self.random.choice(CONTROL_PATHS)
        if self.random.random() < 0.3:
            at = self.random.randrange(1, len(path))
            path = f"{path[:at]}%{ord(path[at]):02x}{path[at + 1 :]}"
        return self.random.choice(["", "/", "//"]) + path + self.random.choice(["", "/", "?a=b", "?Action=c"])

    def value(self, shape: Any) -> object:
        if self.random.random() < 0.15:
            return self.random.choice(STRANGE)
        if shape.type_name == "list":
            return [self.value(shape.member) for _ in range(self.random.randrange(4))]
        if shape.type_name == "map":
            return {str(self.value(shape.key)): self.value(shape.value) for _ in range(2)}
        if getattr(shape, "enum", None):
            return self.random.choice(shape.enum)
        return self.random.choice(["8000", "text", "valid-name", "Hello", 3])

    def mangled(self, body: bytes) -> bytes:
        choice = self.random.randrange(4)
        if choice == 0:
            return body[: self.random.randrange(len(body) + 1)]
        if choice == 1:
            return self.random.randbytes(50)
        if choice == 2:
            return b"[" * 100_000
        return b"\xff\xfe" + body


@pytest.fixture(scope="module")
def silent_emulator() -> Iterator[RunningEmulator]:
    with running_emulator(audio="none") as emulator:
        # Each synthesis would start a process, and is not tested here.
        emulator.faults.add("SynthesizeSpeech", error="ThrottlingException", times=None)
        yield emulator


def address_of(emulator: RunningEmulator) -> tuple[str, int]:
    address = urlsplit(emulator.endpoint_url)
    assert address.hostname is not None
    assert address.port is not None
    return address.hostname, address.port


@pytest.mark.timeout(240)
def test_thousands_of_invalid_requests_cause_no_500(silent_emulator: RunningEmulator) -> None:
    fuzzer = Fuzzer()
    connection = http.client.HTTPConnection(*address_of(silent_emulator), timeout=30)
    statuses: dict[int, int] = {}
    kept = {"Authorization": AUTHORIZATION.replace("polly", "s3")}
    connection.request("PUT", f"/{silent_emulator.bucket}/kept", b"content", kept)
    assert connection.getresponse().read() == b""
    for _ in range(REQUESTS):
        method, path, body = fuzzer.request()
        headers, is_forbidden = fuzzer.headers()
        is_control = fuzzer.random.random() < 0.05
        if is_control:
            path = fuzzer.control_path()
            headers["Authorization"] = AUTHORIZATION.replace("polly", fuzzer.random.choice(SERVICES))
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status < 500 or answer.status == 501, (method, path, headers, body, text)
        assert not is_forbidden or answer.status == 403, (method, path, headers, body, text)
        assert "access-control-allow-origin" not in answer.headers, (method, path, headers)
        assert not is_control or answer.status >= 400, (method, path, headers, body, text)
        if answer.status >= 400 and method != "HEAD" and not is_control:
            assert answer.headers["x-amzn-ErrorType"], (method, path, body)
            assert json.loads(text)["message"], (method, path, body)
    connection.request("GET", f"/{silent_emulator.bucket}/kept", headers=kept)
    assert connection.getresponse().read() == b"content"
    connection.close()
    assert statuses[200] > 300
    assert statuses[400] > 5000
    assert statuses[403] > 1000


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n\r\n",
        b"not http\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET no-slash HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_bytes_that_are_not_http_get_an_error_or_a_closed_connection_and_the_server_continues(
    silent_emulator: RunningEmulator, wire: bytes
) -> None:
    with socket.create_connection(address_of(silent_emulator), timeout=10) as client:
        client.sendall(wire)
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(4096)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    connection = http.client.HTTPConnection(*address_of(silent_emulator), timeout=10)
    connection.request("GET", "/v1/voices", headers={"Authorization": AUTHORIZATION})
    assert connection.getresponse().status == 200
    connection.close()


def test_a_body_of_5_mb_is_rejected_with_413(silent_emulator: RunningEmulator) -> None:
    connection = http.client.HTTPConnection(*address_of(silent_emulator), timeout=30)
    body = json.dumps({"Text": "a" * 5_000_000}).encode()
    connection.request("POST", "/v1/synthesisTasks", body, {"Authorization": AUTHORIZATION})
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.headers["x-amzn-ErrorType"] == "SerializationException"
    connection.close()


def test_a_chunked_request_that_arrives_in_pieces_is_read_completely(
    silent_emulator: RunningEmulator,
) -> None:
    document = json.dumps(
        {"Text": "Hi", "VoiceId": "Joanna", "OutputFormat": "mp3", "OutputS3BucketName": "any-bucket"}
    ).encode()
    head = f"POST /v1/synthesisTasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: {AUTHORIZATION}\r\n"
    wire = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n"
    wire += b"%x\r\n%s\r\n%x;ext=1\r\n%s\r\n0\r\n\r\n" % (
        10,
        document[:10],
        len(document) - 10,
        document[10:],
    )
    with socket.create_connection(address_of(silent_emulator), timeout=10) as client:
        for at in range(0, len(wire), 7):
            client.sendall(wire[at : at + 7])
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def signed(first_line: str, *more: str) -> bytes:
    return "\r\n".join(
        [first_line, "Host: localhost", f"Authorization: {AUTHORIZATION}", *more, "", ""]
    ).encode()


def exchange(emulator: RunningEmulator, *wires: bytes) -> bytes:
    """Send each part after the answer to the previous part; return all answers until the server closes."""
    with socket.create_connection(address_of(emulator), timeout=10) as client:
        answers = b""
        for wire in wires:
            client.sendall(wire)
            answers += client.recv(65536)
        while more := client.recv(65536):
            answers += more
    return answers


def test_pipelined_requests_are_answered_in_order(silent_emulator: RunningEmulator) -> None:
    # A worker thread answers the bucket list; the other requests are answered immediately.
    slow = signed("GET / HTTP/1.1").replace(b"/polly/", b"/s3/")
    unknown = signed("GET /v1/synthesisTasks/00000000-0000-4000-8000-000000000000 HTTP/1.1")
    last = signed("GET /v1/lexicons HTTP/1.1", "Connection: close")
    answers = exchange(silent_emulator, slow + unknown + slow + last)
    marks = [b"ListAllMyBucketsResult xmlns", b"SynthesisTaskNotFoundException", b'{"Lexicons"']
    order = sorted((found.start(), mark) for mark in marks for found in re.finditer(re.escape(mark), answers))
    assert [mark for _, mark in order] == [marks[0], marks[1], marks[0], marks[2]]


def test_bytes_after_the_last_request_do_not_change_its_answer(silent_emulator: RunningEmulator) -> None:
    answers = exchange(
        silent_emulator, signed("GET /v1/lexicons HTTP/1.1", "Connection: close") + b"\r\nmore"
    )
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert answers.endswith(b'{"Lexicons": []}')


def test_expect_100_continue_is_answered_with_100(silent_emulator: RunningEmulator) -> None:
    body = b'{"Content": "<lexicon"}'
    length = f"Content-Length: {len(body)}"
    head = signed("PUT /v1/lexicons/a HTTP/1.1", length, "Expect: 100-continue", "Connection: close")
    answers = exchange(silent_emulator, head, body)
    assert answers.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 ")
    assert b"InvalidLexiconException" in answers


def test_an_upgrade_to_http_2_is_ignored(silent_emulator: RunningEmulator) -> None:
    upgrade = [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    ]
    first = signed("POST /v1/synthesisTasks HTTP/1.1", "Content-Length: 2", *upgrade) + b"{}"
    answers = exchange(silent_emulator, first + signed("GET /v1/lexicons HTTP/1.1", "Connection: close"))
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert b"ValidationException" in answers
    assert b'{"Lexicons"' in answers


def test_the_error_for_malformed_http_has_the_format_of_pollys_errors(
    silent_emulator: RunningEmulator,
) -> None:
    answers = exchange(silent_emulator, b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
    head, _, body = answers.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"x-amzn-ErrorType: BadRequestException" in head
    assert b"Connection: close" in head
    assert json.loads(body)["message"]


def test_an_unsigned_request_is_rejected_with_the_error_of_aws(silent_emulator: RunningEmulator) -> None:
    connection = http.client.HTTPConnection(*address_of(silent_emulator), timeout=30)
    connection.request("GET", "/v1/voices")
    answer = connection.getresponse()
    assert answer.status == 403
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    connection.close()


def test_a_request_to_an_unknown_service_is_answered_with_an_error(silent_emulator: RunningEmulator) -> None:
    connection = http.client.HTTPConnection(*address_of(silent_emulator), timeout=30)
    scope = AUTHORIZATION.replace("/polly/", "/telepathy/")
    connection.request("GET", "/", headers={"Authorization": scope})
    answer = connection.getresponse()
    assert answer.status >= 400
    assert answer.read()
    connection.close()
