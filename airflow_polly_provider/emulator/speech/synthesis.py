"""Synthesis in child processes, with separate thread pools for synthesis tasks and for SynthesizeSpeech."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow_polly_provider
from airflow_polly_provider.emulator.base import voices
from airflow_polly_provider.emulator.speech.audio import (
    SILENCE_AFTER_MILLISECONDS,
    SILENCE_BEFORE_MILLISECONDS,
)
from airflow_polly_provider.emulator.speech.rules import sample_rate
from airflow_polly_provider.emulator.speech.worker import speech_available

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_polly_provider.emulator.text.pronunciation import Lexeme

# The folder that contains the package. It is passed to the child process, whose sys.path may be different.
_ROOT = str(Path(airflow_polly_provider.__file__).resolve().parent.parent)

# The silence counts towards the maximum length of the audio.
_SECONDS_OF_SILENCE = (SILENCE_BEFORE_MILLISECONDS + SILENCE_AFTER_MILLISECONDS) / 1000


class SynthesisError(Exception):
    """A synthesis failed."""


class Cancellation:
    """Cancels one synthesis. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Kill the child process of the synthesis, now or as soon as it starts."""
        with self._lock:
            self._cancelled = True
            if self._child is not None:
                self._child.kill()

    def watch(self, child: subprocess.Popen[bytes] | None) -> None:
        """Set the child process that is killed on cancellation.

        :param child: the child process; None after it has ended.
        """
        with self._lock:
            self._child = child
            if child is not None and self._cancelled:
                child.kill()


class Synthesizer:
    """Starts a separate child process for each text.

    :param speech: True for speech, False for a tone; None for speech if the ``speech`` extra is installed.
    """

    def __init__(self, *, speech: bool | None = None) -> None:
        self.speech = speech_available() if speech is None else speech
        cores = os.cpu_count() or 1
        self.for_tasks = ThreadPoolExecutor(cores, thread_name_prefix="polly-synthesis-tasks")
        # There are more threads than cores, so that SynthesizeSpeech calls for short texts do not wait for
        # long texts.
        self.at_once = ThreadPoolExecutor(2 * cores, thread_name_prefix="polly-synthesize-speech")
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def synthesize(
        self,
        request: dict[str, Any],
        lexemes: Sequence[Lexeme] = (),
        *,
        cancellation: Cancellation,
        max_seconds: float | None = None,
    ) -> bytes:
        """Synthesize a text. Blocks; call it from one of the two pools.

        :param request: members of the API request: Text, TextType, VoiceId, LanguageCode, Engine,
            OutputFormat, SampleRate and SpeechMarkTypes.
        :param lexemes: the lexemes of the lexicons to apply; if several lexemes have the same grapheme, the
            first one is used.
        :param cancellation: an object that can cancel the synthesis.
        :param max_seconds: the maximum length of the audio, including the silence at both ends; longer audio
            is cut. None for no limit.
        :return: the audio, or the speech marks.
        :raises SynthesisError: if the child process failed, or the emulator is shutting down.
        """
        voice = voices.sound_of(request["VoiceId"], request.get("LanguageCode"))
        # The file has no name, so no file remains when this process is killed.
        with tempfile.TemporaryFile(prefix="polly-emulator-") as output:
            self._run(
                {
                    "text": request["Text"],
                    "text_type": request.get("TextType", "text"),
                    "engine": request.get("Engine", "standard"),
                    "output_format": request["OutputFormat"],
                    "mark_types": request.get("SpeechMarkTypes", []),
                    "max_seconds": None if max_seconds is None else max_seconds - _SECONDS_OF_SILENCE,
                    "lexemes": [astuple(lexeme) for lexeme in lexemes],
                    "sample_rate": sample_rate(request),
                    "voice": voice.espeak_voice,
                    "pitch": voice.pitch,
                    "words_per_minute": voice.words_per_minute,
                    "speech": self.speech,
                    "path": f"/dev/fd/{output.fileno()}",
                },
                output.fileno(),
                cancellation,
            )
            output.seek(0)
            return output.read()

    def close(self) -> None:
        """Kill all child processes, and wait for their threads."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.kill()
        for pool in (self.for_tasks, self.at_once):
            pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, request: dict[str, Any], output: int, cancellation: Cancellation) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((_ROOT, os.environ.get("PYTHONPATH", "")))}
        with self._lock:
            if self._closed:
                raise SynthesisError("The emulator is shutting down")
            child = subprocess.Popen(
                [sys.executable, "-m", "airflow_polly_provider.emulator.speech.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                pass_fds=(output,),
            )
            self._children.add(child)
        cancellation.watch(child)
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stderr is not None
            # Keep the pipe open. When this process ends, the pipe closes, and the child process ends too.
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            report = child.stdout.readline()
            complaint = child.stderr.read()
        except BrokenPipeError:
            report, complaint = b"", b"the child process ended before it read its request"
        finally:
            cancellation.watch(None)
            with self._lock:
                self._children.discard(child)
            child.kill()
            child.communicate()
        if not report:
            last_line = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise SynthesisError(last_line or "The child process ended without a report")
