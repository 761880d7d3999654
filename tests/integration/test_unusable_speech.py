"""Unusable responses to SynthesizeSpeech, from an endpoint that sends exactly the given bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.exceptions import PollyIncompleteAnswerError
from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator
from tests.unit.support import connection, context, execute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

YESTERDAY = b"yesterday's audio"
TYPE = b"Content-Type: audio/mpeg\r\n"
BILLED = b"x-amzn-RequestCharacters: 4\r\n"
HTML = b"<html><body>Sign in to the network</body></html>"
UNUSABLE = {
    "truncated in the headers": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "truncated after the status": b"HTTP/1.1 200 OK\r\n",
    "truncated before the character count": b"HTTP/1.1 200 OK\r\n" + TYPE,
    "truncated before the body": b"HTTP/1.1 200 OK\r\n" + TYPE + BILLED,
    "empty": b"HTTP/1.1 200 OK\r\n" + TYPE + BILLED + b"Content-Length: 0\r\n\r\n",
    "shorter than Content-Length": b"HTTP/1.1 200 OK\r\n" + TYPE + BILLED + b"Content-Length: 9\r\n\r\nfour",
    "a proxy's page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s"
    % (len(HTML), HTML),
    "a page with a character count": b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
    + BILLED
    + b"Content-Length: %d\r\n\r\n%s" % (len(HTML), HTML),
    "audio without a character count": b"HTTP/1.1 200 OK\r\n" + TYPE + b"Content-Length: 4\r\n\r\nfour",
    "chunked, last chunk truncated": b"HTTP/1.1 200 OK\r\n"
    + TYPE
    + BILLED
    + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n4\r\nfi",
}


@contextmanager
def endpoint(answer: bytes) -> Iterator[str]:
    """Run an endpoint that answers each request with these bytes and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    received = b""
                    while not received.endswith(b"}"):
                        received += client.recv(65536)
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def speak(monkeypatch: pytest.MonkeyPatch, answer: bytes, file: Path, **arguments: Any) -> None:
    with endpoint(answer) as url:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(region_name="eu-west-1", endpoint_url=url))
        operator = PollySynthesizeSpeechOperator(
            task_id="speak", text="Text", voice_id="Amy", output_path=str(file), **arguments
        )
        execute(operator, context())


@pytest.mark.parametrize("answer", UNUSABLE.values(), ids=UNUSABLE)
def test_an_incomplete_or_invalid_answer_leaves_the_file_unchanged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: bytes
) -> None:
    file = tmp_path / "speech.mp3"
    file.write_bytes(YESTERDAY)
    with pytest.raises(PollyIncompleteAnswerError):
        speak(monkeypatch, answer, file)
    assert file.read_bytes() == YESTERDAY
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("content_type", [b"audio/mpeg", b"AUDIO/MPEG; x=y", b"application/octet-stream"])
def test_complete_audio_is_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content_type: bytes
) -> None:
    file = tmp_path / "speech.mp3"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%sContent-Length: 4\r\n\r\nfour" % (
        content_type,
        BILLED,
    )
    speak(monkeypatch, answer, file)
    assert file.read_bytes() == b"four"


def test_an_empty_answer_is_stored_for_a_text_without_speech_marks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "speech.json"
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-json-stream\r\n%sContent-Length: 0\r\n\r\n" % BILLED
    )
    speak(monkeypatch, answer, file, output_format="json")
    assert file.read_bytes() == b""
