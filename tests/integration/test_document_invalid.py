"""Invalid input of the document operator: nothing is sent to Polly, and nothing is written."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from tests.integration.aws_clients import client_of
from tests.integration.batch_support import keys
from tests.integration.dag_builder import START
from tests.integration.document_support import KEY, TASK, document_arguments, document_dag
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.dag_runs import RunDag

SECRET = "wombat"
LONG_WORD = 30 * SECRET
LONG_TEXT = "\n\n".join(f"{SECRET} {number}." for number in range(100))
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf"/></rootfiles></container>'
)
ENCRYPTED = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#">'
    '<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes256-cbc"/>'
    '<CipherData><CipherReference URI="a.xhtml"/></CipherData></EncryptedData></encryption>'
)
PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest>'
    '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="a"/></spine></package>'
)
TURN = {"voice_id": "Amy", "text": "Hello."}


def epub(**meta: str) -> bytes:
    """Return an EPUB file.

    :param meta: files in META-INF to replace or to add
    """
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("book.opf", PACKAGE)
        archive.writestr("a.xhtml", f"<html><body><p>{SECRET}</p></body></html>")
        for name, content in {"container": CONTAINER, **meta}.items():
            archive.writestr(f"META-INF/{name}.xml", content)
    return stored.getvalue()


@pytest.fixture
def polly(emulator: RunningEmulator) -> RunningEmulator:
    """Return the emulator without objects and synthesis tasks of earlier tests."""
    emulator.reset()
    return emulator


def error_of(polly: RunningEmulator, **given: Any) -> str:
    """Return the message of the error that a document raises before anything is sent or written."""
    operator = PollySynthesizeDocumentOperator(**document_arguments(polly, **given))
    before = keys(polly)
    with pytest.raises(PollyInvalidRequestError) as error:
        execute(operator, context())
    assert polly.counters.calls(START) == 0
    assert keys(polly) == before
    message = str(error.value)
    assert SECRET not in message
    return message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"document": " \n"}, ["nothing to speak"]),
        ({"document": LONG_WORD}, ["Chapter 1", "180 characters", "max_piece_characters"]),
        (
            {"document": f"<speak>Hello. <prosody>{LONG_WORD}</prosody></speak>", "text_type": "ssml"},
            ["Chapter 1", "cannot be divided", "line 1", "max_piece_characters"],
        ),
        ({"document": f"<speak>{SECRET}", "text_type": "ssml"}, ["SSML", "not well-formed"]),
        (
            {"document": LONG_TEXT, "max_document_characters": 500},
            ["maximum is 500", "Raise max_document_characters"],
        ),
        ({"document": LONG_TEXT, "max_request_characters": 500}, ["max_request_characters is 500"]),
        (
            {"document": "Hello.", "manifest_s3_key": KEY},
            ["output_s3_key", "manifest_s3_key", "are the same"],
        ),
        ({"document": "Hello.", "output_s3_key": "books/"}, ["output_s3_key", "folder"]),
        ({"document": "Hello.", "output_s3_key": 1020 * "a"}, ["output_s3_key", "1,034 bytes", "Shorten"]),
        ({"document": "Hello.", "output_s3_key_prefix": "ä/"}, ["output_s3_key_prefix"]),
        ({"document": "Hello.", "voice_id": None}, ["voice_id"]),
        ({"document": "Hello.", "voice_id": "Zoe", "check_voice": True}, ["piece 1 (chapter 1)", "Zoe"]),
        ({"document": "Hello.", "output_format": "ogg_opus"}, ["ogg_opus cannot be joined"]),
        ({"document": "Hello.", "output_container": "wav"}, ["output_container", "mp3"]),
        ({"document": "Hello.", "sample_rate": "44100"}, ["sample_rate"]),
        ({"document": "s3://polly-emulator/missing.md"}, ["cannot find s3://polly-emulator/missing.md"]),
        ({"document": "/missing/book.epub"}, ["cannot find /missing/book.epub"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_invalid_document_is_refused(polly: RunningEmulator, given: dict[str, Any], words: list[str]) -> None:
    message = error_of(polly, **given)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "EPUB"),
        (b"PK\x03\x04 damaged", "EPUB"),
        (epub()[:-40], "EPUB"),
        (epub(encryption=ENCRYPTED), "DRM"),
        (epub(container="<container/>"), "EPUB"),
    ],
    ids=["empty", "damaged", "incomplete", "encrypted", "without a package"],
)
def test_unusable_epub_is_refused(polly: RunningEmulator, tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "book.epub"
    path.write_bytes(content)
    assert words in error_of(polly, document=str(path))


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ([], ["turns is empty"]),
        ({"voice_id": "Amy"}, ["turns must be a list"]),
        ([TURN, {"text": SECRET}], ["turn 1", "voice_id"]),
        ([TURN, {**TURN, "pause": -1}, {**TURN, "speed": 2}], ["turn 1", "pause", "turn 2", "'speed'"]),
        ([TURN, {**TURN, "text": LONG_WORD}], ["turn 1", "max_piece_characters"]),
    ],
    ids=["none", "a mapping", "no voice", "two invalid", "long word"],
)
def test_invalid_turns_are_refused(polly: RunningEmulator, turns: Any, words: list[str]) -> None:
    message = error_of(polly, turns=turns, voice_id=None)
    for word in words:
        assert word in message


def test_voice_of_a_turn_is_checked(polly: RunningEmulator) -> None:
    turns = [TURN, {**TURN, "voice_id": "Zoe"}]
    message = error_of(polly, turns=turns, voice_id=None, check_voice=True)
    assert "piece 2 (chapter 1): " in message


def test_object_that_is_no_manifest_is_not_overwritten(polly: RunningEmulator) -> None:
    with client_of(polly, "s3") as s3:
        s3.put_object(Bucket=polly.bucket, Key="data.json", Body=b'{"important": true}')
    message = error_of(polly, document="Hello.", manifest_s3_key="data.json")
    assert "cannot be used as the document's manifest" in message
    assert "Choose another manifest_s3_key" in message


def test_airflow_does_not_retry_an_invalid_document(polly: RunningEmulator, run_dag: RunDag) -> None:
    run = run_dag(document_dag(polly, document=LONG_WORD, retries=2))
    assert run.task(TASK) == ("failed", 1)
    assert "cannot be divided" in run.output
    assert polly.counters.calls(START) == 0
    assert keys(polly) == []
