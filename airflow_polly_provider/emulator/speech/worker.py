"""The child process for one synthesis.

It reads a request from standard input, writes a file, and writes a report to standard output. A new process
for each synthesis has two advantages: the audio is the same in each run, and the memory is released
afterwards. The parent process keeps the pipe to standard input open. If the pipe closes for any reason, this
process ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.speech.audio import MARKS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from airflow_polly_provider.emulator.speech.audio import Event
    from airflow_polly_provider.emulator.text.spoken import SpokenText, Tag

    Samples = np.ndarray[tuple[int], np.dtype[np.int16]]


def main() -> None:
    """Read one request, synthesize it, report the result and exit."""
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    report = synthesize(request)
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
    os._exit(0)


def speech_available() -> bool:
    """Return whether the ``speech`` extra is installed."""
    return find_spec("espeakng_loader") is not None


def synthesize(request: dict[str, Any]) -> dict[str, Any]:
    """Synthesize one request into a file.

    :param request: ``text``, ``text_type``, ``engine``, ``output_format``, ``mark_types``, ``sample_rate``,
        ``lexemes`` (fields of Lexeme), ``max_seconds`` (None for no limit), ``voice`` (espeak's name),
        ``pitch``, ``words_per_minute``, ``speech`` (False for a tone) and ``path`` of the file to write.
    :return: a report with the length of the audio in ``seconds``.
    """
    spoken, tags, plain = _prepare(
        request["text"], ssml=request["text_type"] == "ssml", lexemes=request["lexemes"]
    )
    sink = _Sink(request)
    if request["speech"]:
        events = _speak(request, str(spoken), sink)
    else:
        from airflow_polly_provider.emulator.speech import tone

        spoken = plain
        sink.source_rate = tone.RATE
        events = tone.hum(str(spoken), request["pitch"], sink.write)
    sink.close()
    if request["output_format"] == MARKS:
        from airflow_polly_provider.emulator.speech.marks import mark_lines

        lines = mark_lines(
            events,
            spoken,
            request["text"],
            tags=tags,
            kinds=request["mark_types"],
            end_milliseconds=int(sink.seconds * 1000),
            markup=request["speech"] and request["text_type"] == "ssml",
            ends_silent=request["engine"] != "standard",
        )
        with Path(request["path"]).open("wb") as file:
            file.writelines(lines)
    return {"seconds": sink.seconds}


class _Sink:
    """Converts samples from the synthesizer's sample rate to the request's, and encodes them."""

    def __init__(self, request: dict[str, Any]) -> None:
        from airflow_polly_provider.emulator.speech.encoding import open_encoder

        self._rate = request["sample_rate"]
        self._encoder = None
        if request["output_format"] != MARKS:
            self._encoder = open_encoder(Path(request["path"]), request["output_format"], self._rate)
        self._most = request.get("max_seconds")
        self._written = 0
        self.source_rate = self._rate
        self._resample: Callable[[Samples], Samples] | None = None

    @property
    def seconds(self) -> float:
        """Return the length of the audio in seconds."""
        return float(self._written / self._rate)

    def write(self, samples: Samples) -> None:
        """Resample and encode the next samples."""
        if self.source_rate != self._rate:
            if self._resample is None:
                from airflow_polly_provider.emulator.speech.encoding import Resampler

                self._resample = Resampler(self.source_rate, self._rate).feed
            samples = self._resample(samples)
        if self._most is not None:
            samples = samples[: max(int(self._most * self._rate) - self._written, 0)]
        self._written += len(samples)
        if self._encoder is not None:
            self._encoder.write(samples)

    def close(self) -> None:
        """Write the remaining data, and close the file."""
        if self._encoder is not None:
            self._encoder.close()


def _prepare(text: str, *, ssml: bool, lexemes: list[list[str]]) -> tuple[SpokenText, list[Tag], SpokenText]:
    """Return the text to speak, its tags for marks and pauses, and the text without any tags."""
    from airflow_polly_provider.emulator.text.pronunciation import Lexeme, Pronouncer
    from airflow_polly_provider.emulator.text.spoken import SpokenText
    from airflow_polly_provider.emulator.text.ssml import Ssml

    pronouncer = Pronouncer(Lexeme(*lexeme) for lexeme in lexemes)
    if ssml:
        document = Ssml(text, pronouncer=pronouncer)
        return document.spoken, document.tags, document.plain
    spoken, plain = SpokenText(), SpokenText()
    pronouncer.write(spoken, text, 0)
    plain.add(text, 0)
    return spoken, [], plain


def _speak(request: dict[str, Any], text: str, sink: _Sink) -> list[Event]:
    from airflow_polly_provider.emulator.speech.espeak import Speaker

    speaker = Speaker(request["voice"], pitch=request["pitch"], words_per_minute=request["words_per_minute"])
    sink.source_rate = speaker.rate
    return speaker.speak(text, sink.write, ssml=request["text_type"] == "ssml")


def _end_with_the_parent() -> None:
    # Read the file descriptor directly, because the lock of Python's buffered reader would block the exit.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
