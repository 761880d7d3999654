"""The server behind the tab *Listen* over HTTP, with the emulator's S3 and with an S3 of large objects."""

from __future__ import annotations

import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import httpx
import psutil
import pytest

from airflow_polly_provider.ui import s3_clients
from tests.integration.listen.large_s3 import bytes_at, large_s3
from tests.integration.listen.server import listen_server
from tests.unit.ui.support import CONNECTION, DAG, RESULT, RUN, XComs, asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.listen.large_s3 import LargeS3

AUDIO = f"/dags/{DAG}/audio"
SIZE = 10_000
CONTENT = random.Random(2).randbytes(SIZE)
GIB = 1024**3


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with listen_server() as address:
        yield address


@pytest.fixture
def xcoms(monkeypatch: pytest.MonkeyPatch) -> XComs:
    """Replace the table of XComs."""
    xcoms = XComs()
    monkeypatch.setattr("airflow_polly_provider.ui.library.read_xcoms", xcoms.read)
    return xcoms


@pytest.fixture
def browser(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
        yield client


def recorded(uri: str, connection: str = "aws_default") -> dict[str, Any]:
    return {
        "AwsConnection": CONNECTION | {"AwsConnId": connection},
        "return_value": RESULT | {"OutputS3Uri": uri},
    }


@pytest.fixture
def recording(emulator: RunningEmulator, s3: Any, xcoms: XComs, monkeypatch: pytest.MonkeyPatch) -> str:
    """Store a recording in the emulator's S3, and return its ETag."""
    monkeypatch.setattr(s3_clients, "_KEPT_SECONDS", 0)  # the emulator's port differs in each process
    xcoms.push(recorded(f"s3://{emulator.bucket}/listen/hello.mp3"))
    etag: str = s3.put_object(Bucket=emulator.bucket, Key="listen/hello.mp3", Body=CONTENT)["ETag"]
    return etag


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=9999-", 9999, 9999),
        ("bytes=9000-99999", 9000, SIZE - 1),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-500", SIZE - 500, SIZE - 1),
        ("bytes=-99999", 0, SIZE - 1),
    ],
)
@pytest.mark.usefixtures("recording")
def test_a_range_is_sent(browser: httpx.Client, header: str, first: int, last: int) -> None:
    answer = browser.get(AUDIO, params=asked(), headers={"Range": header})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["Content-Length"] == str(last + 1 - first)
    assert answer.headers["Content-Type"] == "audio/mpeg"
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes=", "bytes=5-1", "bytes=0-1,5-6", "bytes=a-b", "bytes=--1", "lines=0-1", "nonsense"],
)
@pytest.mark.usefixtures("recording")
def test_the_whole_object_is_sent_without_a_valid_single_range(
    browser: httpx.Client, header: str | None
) -> None:
    answer = browser.get(AUDIO, params=asked(), headers={} if header is None else {"Range": header})
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Encoding"] == "identity"
    assert "Content-Range" not in answer.headers
    assert answer.content == CONTENT


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", "bytes=99999-", "bytes=99999-999999", "bytes=-0"])
@pytest.mark.usefixtures("recording")
def test_a_range_beyond_the_end_is_not_satisfiable(browser: httpx.Client, header: str) -> None:
    answer = browser.get(AUDIO, params=asked(), headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
    assert answer.json() == {"detail": "The range is outside the audio."}


def test_if_range_sends_the_range_only_of_the_same_object(browser: httpx.Client, recording: str) -> None:
    def get(header: str, etag: str) -> httpx.Response:
        return browser.get(AUDIO, params=asked(), headers={"Range": header, "If-Range": etag})

    same = get("bytes=0-9", recording)
    assert (same.status_code, same.content, same.headers["ETag"]) == (206, CONTENT[:10], recording)
    for other in ('"other"', f"W/{recording}", "Wed, 21 Oct 2015 07:28:00 GMT", "nonsense"):
        changed = get("bytes=0-9", other)
        assert (changed.status_code, changed.content) == (200, CONTENT)
    beyond = get("bytes=99999-", '"of a longer object"')
    assert (beyond.status_code, beyond.content) == (200, CONTENT)
    assert get("bytes=99999-", recording).status_code == 416


@pytest.mark.usefixtures("recording")
def test_an_empty_object_has_no_range(
    browser: httpx.Client, s3: Any, emulator: RunningEmulator, xcoms: XComs
) -> None:
    s3.put_object(Bucket=emulator.bucket, Key="listen/empty.mp3", Body=b"")
    xcoms.push(recorded(f"s3://{emulator.bucket}/listen/empty.mp3"))
    whole = browser.get(AUDIO, params=asked())
    assert (whole.status_code, whole.content) == (200, b"")
    assert browser.get(AUDIO, params=asked(), headers={"Range": "bytes=0-"}).status_code == 416


def test_a_head_request_has_the_headers_of_the_audio(browser: httpx.Client, recording: str) -> None:
    answer = browser.head(AUDIO, params=asked())
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Content-Type"] == "audio/mpeg"
    assert answer.headers["ETag"] == recording


@pytest.mark.usefixtures("recording")
def test_a_missing_object_is_a_sentence(
    browser: httpx.Client, emulator: RunningEmulator, xcoms: XComs
) -> None:
    xcoms.push(recorded(f"s3://{emulator.bucket}/listen/missing.mp3"))
    for uri in (f"s3://{emulator.bucket}/listen/missing.mp3", "s3://no-such-bucket-anywhere/a.mp3"):
        xcoms.push(recorded(uri))
        answer = browser.get(AUDIO, params=asked())
        assert answer.status_code == 404
        assert answer.json()["detail"].startswith(f"{uri} does not exist.")
        assert browser.head(AUDIO, params=asked()).status_code == 404


@pytest.mark.usefixtures("recording")
def test_a_presigned_url_gives_the_range(browser: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__AWS_POLLY__LISTEN_AUDIO", "presigned")
    redirect = browser.get(AUDIO, params=asked())
    assert redirect.status_code == 307
    assert redirect.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    audio = httpx.get(redirect.headers["Location"], headers={"Range": "bytes=5-9"}, trust_env=False)
    assert (audio.status_code, audio.content) == (206, CONTENT[5:10])
    assert audio.headers["Content-Type"] == "audio/mpeg"


@pytest.fixture
def large(xcoms: XComs, monkeypatch: pytest.MonkeyPatch) -> Iterator[LargeS3]:
    """Run an S3 of large objects, and record one of 2 GB and one of 50 MB."""
    with large_s3() as server:
        port = server.server_address[1]
        connection = f"large_{port}"  # another client than that of an earlier test
        monkeypatch.setenv(f"AIRFLOW_CONN_LARGE_{port}", server.airflow_connection)
        xcoms.push(recorded(f"s3://bucket/{2 * GIB}-novel.mp3", connection), "novel")
        xcoms.push(recorded("s3://bucket/50000000-chapter.mp3", connection), "chapter")
        yield server


def test_two_gigabytes_need_little_memory(address: str, large: LargeS3) -> None:
    process = psutil.Process()
    with connect(address, asked("chapter")) as warm_up:
        warm_up.recv(1)
    before = process.memory_info().rss
    peak, total = before, 0
    buffer = bytearray(1024 * 1024)
    with connect(address, asked("novel")) as listener:
        reader = listener.makefile("rb")
        headers = read_headers(reader)
        assert f"content-length: {2 * GIB}" in headers.lower()
        while count := reader.readinto(buffer):
            total += count
            if total % (64 * 1024 * 1024) < count:
                peak = max(peak, process.memory_info().rss)
    assert total == 2 * GIB
    assert peak - before < 100 * 1024 * 1024


def test_many_listeners_get_their_own_bytes(browser: httpx.Client, large: LargeS3) -> None:
    def listen(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(4):
            first = chance.randrange(2 * GIB - 500_000)
            length = chance.randrange(1, 500_000)
            asked_range = {"Range": f"bytes={first}-{first + length - 1}"}
            answer = browser.get(AUDIO, params=asked("novel"), headers=asked_range)
            assert answer.status_code == 206
            assert answer.content == bytes_at(first, length)

    def list_tracks(_: int) -> float:
        began = time.monotonic()
        assert browser.get(f"/dags/{DAG}/run", params={"run_id": RUN}).status_code == 200
        return time.monotonic() - began

    with ThreadPoolExecutor(24) as pool:
        listeners = pool.map(listen, range(20))
        delays = list(pool.map(list_tracks, range(8)))
        list(listeners)
    assert max(delays) < 30


def test_the_request_to_s3_ends_with_the_listener(address: str, large: LargeS3) -> None:
    with connect(address, asked("novel")) as listener:
        reader = listener.makefile("rb")
        read_headers(reader)
        reader.read(100_000)
        reader.close()
    assert large.closed_early.wait(10), "the server goes on reading"
    sent = large.bytes_sent
    time.sleep(0.2)
    assert large.bytes_sent == sent
    assert sent < 200_000_000


def test_a_listener_who_pauses_stops_the_download(address: str, large: LargeS3) -> None:
    with connect(address, asked("novel")) as listener:
        reader = listener.makefile("rb")
        read_headers(reader)
        deadline = time.monotonic() + 20
        sent = -1
        while sent != large.bytes_sent and time.monotonic() < deadline:
            sent = large.bytes_sent
            time.sleep(0.5)
        assert large.bytes_sent == sent, "the server goes on reading"
        assert sent < 200_000_000
        reader.close()


def connect(address: str, parameters: dict[str, str]) -> socket.socket:
    """Send a request for audio, and return the connection before its response is read."""
    url = urlsplit(address)
    listener = socket.create_connection((url.hostname or "", url.port or 0), timeout=30)
    request = (
        f"GET {url.path}{AUDIO}?{urlencode(parameters)} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    )
    listener.sendall(request.encode())
    return listener


def read_headers(reader: Any) -> str:
    """Return the status line and the headers of a response."""
    lines = []
    while (line := reader.readline()) not in (b"\r\n", b""):
        lines.append(line.decode())
    assert lines[0].startswith("HTTP/1.1 200")
    return "".join(lines)
