"""Makes joined mp3 files with chapters from pieces in Polly's form, with the package's own functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_polly_provider.audio.chapters import Chapter, chapters_json, milliseconds_of
from airflow_polly_provider.audio.id3_chapters import id3_tag
from airflow_polly_provider.audio.joined_marks import MarkShifter
from airflow_polly_provider.audio.joining import joiner_of
from airflow_polly_provider.emulator.speech.encoding import open_encoder
from tests.integration.aws_clients import client_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator

RATE = 24000
PAUSE_SECONDS = 0.5
_LOUDNESS = 8000


@dataclass(frozen=True, kw_only=True)
class JoinedBook:
    """A joined mp3 file.

    :param audio: its bytes
    :param chapters: the content of the file with podcast chapters
    :param starts: the start of each chapter in seconds
    :param seconds: the duration that the sizes of the pieces and pauses give
    """

    audio: bytes
    chapters: bytes
    starts: list[float]
    seconds: float

    def write(self, folder: Path) -> dict[str, str]:
        """Write ``book.mp3`` and ``chapters.json``, and return the page's parameters for them."""
        (folder / "book.mp3").write_bytes(self.audio)
        (folder / "chapters.json").write_bytes(self.chapters)
        return {"audio": "book.mp3", "chapters": "chapters.json"}


def joined_book(pieces: Iterable[bytes]) -> JoinedBook:
    """Join pieces with pauses between them. Each piece is a chapter.

    :param pieces: mp3 files of Polly or of the emulator, with 24,000 Hz
    """
    joiner = joiner_of("mp3", str(RATE))
    frames, ends, samples = [], [0], 0
    for number, piece in enumerate(pieces, start=1):
        joiner.begin_piece(f"piece {number}")
        frames.append(joiner.feed(piece))
        spoken, pause = joiner.end_piece(), joiner.silence(PAUSE_SECONDS)
        frames.append(pause.data)
        samples += spoken.samples + pause.samples
        ends.append(samples)
    chapters = [
        Chapter(
            title=f"Chapter {number}",
            start_ms=milliseconds_of(start, RATE),
            end_ms=milliseconds_of(end, RATE),
        )
        for number, (start, end) in enumerate(pairwise(ends), start=1)
    ]
    return JoinedBook(
        audio=id3_tag(chapters, title="The book") + b"".join(frames),
        chapters=chapters_json(chapters, title="The book"),
        starts=[chapter.start_ms / 1000 for chapter in chapters],
        seconds=samples / RATE,
    )


def tone_piece(path: Path, hertz: float, seconds: float) -> bytes:
    """Return a piece in Polly's form that sounds with one frequency.

    :param path: a file that the encoder can write
    """
    encoder = open_encoder(path, "mp3", RATE)
    at = np.arange(int(seconds * RATE))
    encoder.write((np.cos(at * (2 * np.pi * hertz / RATE)) * _LOUDNESS).astype(np.int16))
    encoder.close()
    return path.read_bytes()


def spoken_pieces(
    emulator: RunningEmulator, texts: Sequence[str], voice_id: str
) -> tuple[list[bytes], list[bytes]]:
    """Return the audio and the speech marks of texts, one mp3 file and some lines of JSON for each."""
    audio, marks = [], []
    with client_of(emulator, "polly") as polly:
        for text in texts:
            request = {"Text": text, "VoiceId": voice_id, "Engine": "neural"}
            speech = polly.synthesize_speech(**request, OutputFormat="mp3", SampleRate=str(RATE))
            audio.append(speech["AudioStream"].read())
            lines = polly.synthesize_speech(
                **request, OutputFormat="json", SpeechMarkTypes=["sentence", "word"]
            )
            marks.append(lines["AudioStream"].read())
    return audio, marks


def joined_marks(marks: Sequence[bytes], texts: Sequence[str], starts: Sequence[float]) -> bytes:
    """Return the speech marks of a joined file, whose text is the texts in a row.

    :param marks: the marks of each text
    :param starts: the start of each text in seconds
    """
    moved, size = [], 0
    for number, (lines, text, start) in enumerate(zip(marks, texts, starts, strict=True), start=1):
        shifter = MarkShifter(f"piece {number}", time_ms=round(start * 1000), text_bytes=size)
        moved += [shifter.feed(lines), shifter.finish()]
        size += len(text.encode())
    return b"".join(moved)


def read_marks(lines: bytes) -> list[dict[str, Any]]:
    """Return speech marks as dictionaries."""
    return [json.loads(line) for line in lines.splitlines()]
