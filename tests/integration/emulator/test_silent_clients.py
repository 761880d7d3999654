"""The emulator closes a connection at a time limit, or when the client requests it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from airflow_polly_provider.emulator.base.settings import Settings
from airflow_polly_provider.emulator.control.server import EmulatorServer
from airflow_polly_provider.emulator.http.connection import TimeLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/polly/aws4_request"
VOICES = f"GET /v1/voices HTTP/1.1\r\nHost: localhost\r\nAuthorization: {AUTHORIZATION}\r\n\r\n".encode()
OBJECT = VOICES.replace(b"/v1/voices", b"/unread/large").replace(b"/polly/", b"/s3/")
QUICK = TimeLimits(request_seconds=0.3, idle_seconds=0.3, unread_seconds=0.3)
OBJECT_BYTES = 64 * 1024 * 1024


@asynccontextmanager
async def connected(limits: TimeLimits) -> AsyncIterator[tuple[EmulatorServer, Stream]]:
    """Yield an emulator with these limits and a connection to it."""
    server = EmulatorServer(Settings(audio="none"), limits=limits)
    await server.start()
    # With a small buffer in the client, the server must keep most of an unread answer.
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    try:
        yield server, (reader, writer)
    finally:
        writer.close()
        await server.stop()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def until_closed(server: EmulatorServer) -> None:
    while server.connections:  # noqa: ASYNC110  # a set, which cannot signal a change
        await asyncio.sleep(0.05)


async def rest_of(stream: Stream) -> bytes:
    return await asyncio.wait_for(stream[0].read(-1), 30)


async def test_a_connection_without_a_request_is_closed() -> None:
    async with connected(QUICK) as (_, stream):
        assert await rest_of(stream) == b""


@pytest.mark.parametrize(
    "beginning",
    [b"GET /v1/voi", VOICES[:-2], VOICES[:-2] + b"Content-Length: 5\r\n\r\nab"],
    ids=["in the first line", "in the headers", "in the body"],
)
async def test_an_unfinished_request_is_answered_with_408(beginning: bytes) -> None:
    async with connected(QUICK) as (_, stream):
        stream[1].write(beginning)
        answer = await rest_of(stream)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"RequestTimeoutException" in answer


async def test_connection_close_also_works_for_an_answer_without_a_body() -> None:
    async with connected(TimeLimits()) as (_, stream):
        stream[1].write(
            VOICES.replace(b"GET", b"HEAD").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        answer = await rest_of(stream)
        assert answer.startswith(b"HTTP/1.1 ")
        assert answer.endswith(b"\r\n\r\n")


async def test_an_idle_connection_is_closed_later_than_an_unfinished_request() -> None:
    limits = TimeLimits(request_seconds=0.1, idle_seconds=1.5, unread_seconds=60)
    async with connected(limits) as (_, stream):
        stream[1].write(VOICES)
        await stream[0].readuntil(b"\r\n\r\n")
        began = asyncio.get_running_loop().time()
        await rest_of(stream)
        assert asyncio.get_running_loop().time() - began > 1


async def test_a_client_that_waits_for_a_late_answer_receives_it() -> None:
    async with connected(QUICK) as (server, stream):
        server.app.faults.add("DescribeVoices", delay_seconds=1.5)
        stream[1].write(VOICES)
        assert (await rest_of(stream)).startswith(b"HTTP/1.1 200 ")


async def test_a_connection_whose_client_stops_reading_is_closed() -> None:
    async with connected(QUICK) as (server, stream):
        aws = server.app.service.aws
        aws.create_bucket("unread", "us-east-1")
        try:
            aws.put_object(
                "unread", "large", bytes(OBJECT_BYTES), region="us-east-1", content_type="audio/mpeg"
            )
            stream[1].write(OBJECT)
            assert await stream[0].readexactly(13) == b"HTTP/1.1 200 "
            await asyncio.wait_for(until_closed(server), 30)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await stream[0].readexactly(OBJECT_BYTES)
        finally:
            aws.delete_bucket("unread", "us-east-1")
