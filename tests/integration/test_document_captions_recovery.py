"""Captions that cannot be written, or that somebody removed: the audio is never paid for again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from airflow_polly_provider.assembly import captions as captions_module
from airflow_polly_provider.assembly.run import DocumentRun
from airflow_polly_provider.exceptions import PollyInvalidRequestError, PollyOutputObjectError
from tests.integration.aws_clients import client_of
from tests.integration.batch_support import content, keys, starts
from tests.integration.document_support import KEY, book, paragraphs
from tests.integration.killed_document import context_of_run, operator
from tests.unit.support import context, execute

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator

VTT = f"{KEY}.vtt"
BOOK = book(paragraphs("one", 3))

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "book.md"
    path.write_text(BOOK)
    return str(path)


def run(polly: RunningEmulator, file: str, in_context: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Run a try of the document with captions, and return its result."""
    value: dict[str, Any] = execute(
        operator(polly.bucket, file, **{"captions": ["vtt"]} | changes), in_context
    )
    return value


def marks_keys(polly: RunningEmulator) -> list[str]:
    return [key for key in keys(polly) if re.fullmatch(rf"{KEY}\.marks/[0-9a-f]{{32}}\.marks", key)]


def delete(polly: RunningEmulator, key: str) -> None:
    with client_of(polly, "s3") as s3:
        s3.delete_object(Bucket=polly.bucket, Key=key)


def test_removed_captions_are_written_again(polly: RunningEmulator, file: str) -> None:
    first = run(polly, file, context(run_id="first"))
    before, started = content(polly, first["CaptionsS3Uris"]["vtt"]), starts(polly)
    delete(polly, VTT)

    second = run(polly, file, context(run_id="second"))

    assert (second["Unchanged"], starts(polly)) == (True, started)
    assert content(polly, second["CaptionsS3Uris"]["vtt"]) == before


def test_removed_captions_and_speech_marks_are_paid_for_after_the_advice(
    polly: RunningEmulator, file: str
) -> None:
    first = run(polly, file, context(run_id="first"))
    started = starts(polly)
    for key in (VTT, *marks_keys(polly)):
        delete(polly, key)

    with pytest.raises(PollyInvalidRequestError, match="run the task without captions, and then again"):
        run(polly, file, context(run_id="second"))
    assert starts(polly) == started
    run(polly, file, context(run_id="third"), captions=None)
    run(polly, file, context(run_id="fourth"))

    assert starts(polly) == started + first["TotalPieces"]
    assert VTT in keys(polly)


def test_captions_that_s3_denied_are_written_by_the_next_try(
    polly: RunningEmulator, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is complete and recorded, so that nothing has to be synthesized again."""

    def deny(*_: Any, **__: Any) -> None:
        answer: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "CreateMultipartUpload")

    began = datetime.now(tz=UTC)
    with monkeypatch.context() as denied:
        denied.setattr(captions_module, "written_object", deny)
        with pytest.raises(
            PollyOutputObjectError, match=r"is complete, but writing its captions failed: .*Allow"
        ):
            run(polly, file, context_of_run(began))
    started = starts(polly)
    assert f"{KEY}.manifest.json" in keys(polly)

    value = run(polly, file, context_of_run(began, try_number=2))

    assert starts(polly) == started
    assert content(polly, value["CaptionsS3Uris"]["vtt"]).startswith(b"WEBVTT")
    assert len(marks_keys(polly)) == 1


def test_file_is_kept_if_its_speech_marks_are_gone(
    polly: RunningEmulator, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The try that made the file was killed before the captions were written."""
    began = datetime.now(tz=UTC)
    killed = RuntimeError("killed")

    def kill(*_: Any) -> None:
        raise killed

    with monkeypatch.context() as patched:
        patched.setattr("airflow_polly_provider.assembly.run.record_file", kill)
        with pytest.raises(RuntimeError, match="killed"):
            run(polly, file, context_of_run(began))
    started = starts(polly)
    (key,) = marks_keys(polly)
    delete(polly, key)

    with pytest.raises(PollyOutputObjectError, match=r"is gone, so the captions of the finished file cannot"):
        run(polly, file, context_of_run(began, try_number=2))
    value = run(polly, file, context_of_run(began, try_number=3))

    # The batch of this run still has the speech marks of its pieces.
    assert starts(polly) == started
    assert content(polly, value["CaptionsS3Uris"]["vtt"]).startswith(b"WEBVTT")


def test_damaged_speech_marks_are_found_before_the_file_is_replaced(
    polly: RunningEmulator, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polly never writes such marks: they have no value."""
    first = run(polly, file, context(run_id="first"), captions=None)
    before, started = content(polly, first["OutputS3Uri"]), starts(polly)
    real = DocumentRun._write_marks

    def damage(self: DocumentRun, manifest: Any, output_uris: dict[str, str]) -> None:
        line = b'{"time":1,"type":"word","start":0,"end":1}\n'
        with client_of(polly, "s3") as s3:
            for uri in output_uris.values():
                s3.put_object(Bucket=polly.bucket, Key=uri.split(f"{polly.bucket}/")[1], Body=line)
        real(self, manifest, output_uris)

    monkeypatch.setattr(DocumentRun, "_write_marks", damage)
    with pytest.raises(PollyOutputObjectError, match="Run the task without captions"):
        run(polly, file, context(run_id="second"))

    assert content(polly, first["OutputS3Uri"]) == before
    assert starts(polly) == started + first["TotalPieces"]
    third = run(polly, file, context(run_id="third"), captions=None)
    assert (third["Unchanged"], third["RequestCharacters"]) == (True, 0)


def test_speech_marks_of_runs_that_ended_early_are_removed(
    polly: RunningEmulator, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("lost")

    with monkeypatch.context() as patched:
        patched.setattr("airflow_polly_provider.assembly.run.record_file", fail)
        with pytest.raises(RuntimeError, match="lost"):
            run(polly, file, context(run_id="first"))
    (orphan,) = marks_keys(polly)
    with client_of(polly, "s3") as s3:
        s3.put_object(Bucket=polly.bucket, Key=f"{KEY}.marks/notes.txt", Body=b"mine")

    value = run(polly, file, context(run_id="second"), reuse="never")

    assert orphan not in keys(polly)
    assert [f"s3://{polly.bucket}/{key}" for key in marks_keys(polly)] == [value["SpeechMarksS3Uri"]]
    assert f"{KEY}.marks/notes.txt" in keys(polly)


def test_tags_are_shown_in_plain_text_beside_ssml(polly: RunningEmulator) -> None:
    """Each turn has its own type of text."""
    turns = [
        {"voice_id": "Amy", "text": "The tag <p> is not &lt;."},
        {"voice_id": "Brian", "text": "<speak>A <emphasis>&amp;</emphasis> B.</speak>", "text_type": "ssml"},
    ]
    changes = {"document": None, "turns": turns, "voice_id": None}
    value = execute(operator(polly.bucket, "", captions=["vtt"], **changes), context(run_id="first"))

    captions = content(polly, value["CaptionsS3Uris"]["vtt"]).decode()
    assert "The tag &lt;p&gt; is not &amp;lt;." in captions
    assert "A &amp; B." in captions
