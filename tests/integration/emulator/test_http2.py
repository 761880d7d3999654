"""HTTP/2 on the same port as HTTP/1.1, as the JavaScript SDK uses it for Polly."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from h2.settings import SettingCodes

from airflow_polly_provider.emulator.base.settings import Settings
from airflow_polly_provider.emulator.control.server import EmulatorServer
from airflow_polly_provider.emulator.http.connection import TimeLimits
from airflow_polly_provider.emulator.http.http2 import PREFACE
from tests.integration.emulator.http2_client import Http2Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.emulator.support import MakeClient

SPEECH = json.dumps({"Text": "Hello", "VoiceId": "Joanna", "OutputFormat": "pcm"}).encode()
LONG_SPEECH = json.dumps({**json.loads(SPEECH), "Text": "Hello. " * 400}).encode()
OBJECT = bytes(range(256)) * 4096
SETTINGS = 4
"""The type of the first frame that a server sends."""
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/polly/aws4_request"


@pytest.fixture
def connection(emulator: RunningEmulator) -> Iterator[Http2Client]:
    with Http2Client.of(emulator) as client:
        yield client


@pytest.fixture
def large_object(emulator: RunningEmulator, client: MakeClient) -> str:
    """Create an object larger than HTTP/2's initial flow-control window, and return its path."""
    client("s3").put_object(Bucket=emulator.bucket, Key="large", Body=OBJECT)
    return f"/{emulator.bucket}/large"


def over_http_1(emulator: RunningEmulator, method: str, path: str) -> tuple[int, bytes]:
    address = urlsplit(emulator.endpoint_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request(method, path, headers={"Authorization": AUTHORIZATION})
    answer = connection.getresponse()
    status, body = answer.status, answer.read()
    connection.close()
    return status, body


class TestAnswers:
    def test_they_equal_the_answers_over_http_1(
        self, emulator: RunningEmulator, connection: Http2Client
    ) -> None:
        for path in ("/v1/voices?LanguageCode=en-GB", "/v1/voices/none"):
            head, body = connection.answer(connection.send_request("GET", path))
            assert (int(head[":status"]), body) == over_http_1(emulator, "GET", path)
            assert int(head["content-length"]) == len(body)

    def test_speech_is_synthesized_from_a_request_body(self, connection: Http2Client) -> None:
        head, audio = connection.answer(connection.send_request("POST", "/v1/speech", SPEECH))
        assert head["content-type"] == "audio/pcm"
        assert head["x-amzn-requestcharacters"] == "5"
        assert len(audio) > 10_000

    def test_a_large_answer_is_sent_as_the_client_acknowledges_it(
        self, connection: Http2Client, large_object: str
    ) -> None:
        head, body = connection.answer(connection.send_request("GET", large_object, service="s3"))
        assert head[":status"] == "200"
        assert body == OBJECT

    def test_a_head_request_is_answered_with_the_length_and_no_body(
        self, connection: Http2Client, large_object: str
    ) -> None:
        head, body = connection.answer(connection.send_request("HEAD", large_object, service="s3"))
        assert (head["content-length"], body) == (str(len(OBJECT)), b"")

    def test_a_request_with_expect_100_continue_is_answered(self, connection: Http2Client) -> None:
        number = connection.send_request("POST", "/v1/speech", ends=False, more=(("expect", "100-continue"),))
        connection.http.send_data(number, SPEECH, end_stream=True)
        connection.flush()
        assert connection.answer(number)[0][":status"] == "200"

    @pytest.mark.parametrize("path", ["no-slash", "*"])
    def test_a_path_without_a_slash_is_refused(self, connection: Http2Client, path: str) -> None:
        assert connection.answer(connection.send_request("GET", path))[0][":status"] == "400"

    def test_a_body_of_5_mb_is_refused(self, connection: Http2Client) -> None:
        number = connection.send_request("POST", "/v1/synthesisTasks", ends=False)
        for _ in range(320):
            connection.read_until(lambda: connection.http.local_flow_control_window(number) >= 16_384)
            connection.http.send_data(number, bytes(16_384))
            connection.flush()
        connection.http.end_stream(number)
        connection.flush()
        assert connection.answer(number)[0][":status"] == "413"

    def test_a_foreign_host_is_refused(self, emulator: RunningEmulator) -> None:
        with Http2Client.of(emulator) as client:
            client.host = "evil.example"
            assert client.answer(client.send_request("GET", "/v1/voices"))[0][":status"] == "403"

    def test_the_preface_may_come_byte_by_byte(self, emulator: RunningEmulator) -> None:
        address = urlsplit(emulator.endpoint_url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as client:
            for byte in PREFACE:
                client.sendall(bytes([byte]))
                time.sleep(0.002)
            assert client.recv(9)[3] == SETTINGS


class TestConcurrentRequests:
    def test_a_late_answer_does_not_delay_other_answers(
        self, emulator: RunningEmulator, connection: Http2Client
    ) -> None:
        emulator.faults.add("DescribeVoices", delay_seconds=3)
        late = connection.send_request("GET", "/v1/voices")
        for _ in range(20):
            assert connection.answer(connection.send_request("GET", "/v1/lexicons"))[0][":status"] == "200"
        assert late not in connection.ended
        assert connection.answer(late)[0][":status"] == "200"

    def test_an_unread_answer_does_not_delay_other_answers(
        self, emulator: RunningEmulator, large_object: str
    ) -> None:
        with Http2Client.of(emulator, reads=False) as client:
            # Enlarge the window of the connection, but not that of the stream.
            client.http.increment_flow_control_window(2**20)
            unread = client.send_request("GET", large_object, service="s3")
            client.read_until(lambda: len(client.bodies[unread]) == 65_535)
            assert client.answer(client.send_request("GET", "/v1/lexicons"))[0][":status"] == "200"
            client.http.increment_flow_control_window(2**20, unread)
            client.flush()
            assert client.answer(unread)[1] == OBJECT

    def test_a_client_that_sends_goaway_still_gets_its_answers(
        self, emulator: RunningEmulator, connection: Http2Client
    ) -> None:
        emulator.faults.add("DescribeVoices", delay_seconds=0.5)
        late = connection.send_request("GET", "/v1/voices")
        # After sending GOAWAY, the h2 library would accept no answer, so the test writes the frame itself.
        connection.socket.sendall(bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(8))
        assert connection.answer(late)[0][":status"] == "200"
        connection.read_until(lambda: connection.is_closed)
        assert connection.has_goaway

    def test_a_cancelled_synthesis_is_stopped(
        self, emulator: RunningEmulator, connection: Http2Client
    ) -> None:
        speech = connection.send_request("POST", "/v1/speech", LONG_SPEECH)
        assert connection.answer(connection.send_request("GET", "/v1/lexicons"))[0][":status"] == "200"
        connection.http.reset_stream(speech)
        connection.flush()
        assert connection.answer(connection.send_request("GET", "/v1/lexicons"))[0][":status"] == "200"
        wait_for(lambda: emulator.counters.calls("SynthesizeSpeech", "disconnected") == 1)

    def test_a_request_that_is_cancelled_immediately_is_not_processed(
        self, emulator: RunningEmulator, connection: Http2Client
    ) -> None:
        with patch.object(connection, "flush"):
            speech = connection.send_request("POST", "/v1/speech", SPEECH)
        connection.http.reset_stream(speech)
        connection.flush()
        assert connection.answer(connection.send_request("GET", "/v1/lexicons"))[0][":status"] == "200"
        assert emulator.counters.calls("SynthesizeSpeech") == 0


class TestFaults:
    @pytest.mark.parametrize("drop", ["before", "after"])
    def test_a_dropped_answer_resets_only_its_own_stream(
        self, emulator: RunningEmulator, connection: Http2Client, drop: str
    ) -> None:
        emulator.faults.add("DescribeVoices", drop=drop)
        dropped = connection.send_request("GET", "/v1/voices")
        connection.read_until(lambda: dropped in connection.reset)
        assert dropped not in connection.heads
        assert connection.answer(connection.send_request("GET", "/v1/voices"))[0][":status"] == "200"

    def test_a_truncated_answer_ends_with_a_stream_reset(
        self, emulator: RunningEmulator, connection: Http2Client
    ) -> None:
        whole = connection.answer(connection.send_request("GET", "/v1/voices"))[1]
        emulator.faults.add("DescribeVoices", cut=True)
        cut = connection.send_request("GET", "/v1/voices")
        connection.read_until(lambda: cut in connection.reset)
        assert len(connection.bodies[cut]) == int(connection.heads[cut]["content-length"]) // 2
        assert len(whole) == int(connection.heads[cut]["content-length"])


@pytest.mark.parametrize(
    "frame",
    [
        bytes([0, 0, 3, 0, 0, 0, 0, 0, 1]) + b"abc",
        bytes([0, 0, 5, 4, 0, 0, 0, 0, 0]) + b"abcde",
        bytes([255, 255, 255, 0, 0, 0, 0, 0, 1]),
        bytes([0, 0, 1, 1, 4, 0, 0, 0, 1]) + b"\xff",
        bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(4) + b"\0\0\0\1",
    ],
    ids=[
        "data without a request",
        "truncated settings",
        "too long",
        "invalid headers",
        "goaway with an error",
    ],
)
def test_a_protocol_error_closes_the_connection_and_the_server_continues(
    emulator: RunningEmulator, frame: bytes
) -> None:
    with Http2Client.of(emulator) as client:
        client.socket.sendall(frame)
        client.read_until(lambda: client.is_closed)
        assert client.is_closed
    assert over_http_1(emulator, "GET", "/v1/voices")[0] == 200


@asynccontextmanager
async def short_limits(*, reads: bool = True) -> AsyncIterator[tuple[EmulatorServer, Http2Client]]:
    """Yield an emulator with short time limits and a connection to it."""
    limits = TimeLimits(request_seconds=0.3, idle_seconds=0.3, unread_seconds=0.3)
    server = EmulatorServer(Settings(audio="none"), limits=limits)
    await server.start()
    try:
        with await asyncio.to_thread(Http2Client, server.port, reads=reads) as client:
            yield server, client
    finally:
        await server.stop()


class TestTimeLimits:
    async def test_a_connection_without_a_request_is_closed(self) -> None:
        async with short_limits() as (_, client):
            await asyncio.to_thread(client.read_until, lambda: client.is_closed)
            assert client.has_goaway

    async def test_an_unfinished_request_is_answered_with_408(self) -> None:
        async with short_limits() as (_, client):
            number = client.send_request("POST", "/v1/speech", ends=False)
            head, _ = await asyncio.to_thread(client.answer, number)
            assert (head[":status"], head["x-amzn-errortype"]) == ("408", "RequestTimeoutException")
            await asyncio.to_thread(client.read_until, lambda: client.is_closed)

    async def test_a_connection_with_an_incomplete_frame_is_closed(self) -> None:
        async with short_limits() as (_, client):
            client.socket.sendall(bytes([0, 0, 8]))
            await asyncio.to_thread(client.read_until, lambda: client.is_closed)

    async def test_a_client_that_waits_for_a_late_answer_receives_it(self) -> None:
        async with short_limits() as (server, client):
            server.app.faults.add("DescribeVoices", delay_seconds=1.5)
            number = client.send_request("GET", "/v1/voices")
            assert (await asyncio.to_thread(client.answer, number))[0][":status"] == "200"

    async def test_a_connection_whose_client_stops_reading_is_closed(self) -> None:
        async with short_limits(reads=False) as (_, client):
            await asyncio.to_thread(client.answer, client.send_request("GET", "/v1/lexicons"))
            client.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
            client.flush()
            number = client.send_request("GET", "/v1/voices")
            await asyncio.to_thread(client.read_until, lambda: client.is_closed)
            assert number not in client.ended
            assert len(client.bodies[number]) == 10


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
