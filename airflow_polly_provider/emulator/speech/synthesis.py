"""Synthesis in child processes, with threads of their own for synthesis tasks and for SynthesizeSpeech."""

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

# The folder that holds the package, for a child that may run with another sys.path.
_ROOT = str(Path(airflow_polly_provider.__file__).resolve().parent.parent)

# They count towards the longest audio.
_SECONDS_OF_SILENCE = (SILENCE_BEFORE_MILLISECONDS + SILENCE_AFTER_MILLISECONDS) / 1000


class SynthesisError(Exception):
    """A synthesis that did not come to an end."""


class Cancellation:
    """Ends one synthesis, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """End the synthesis now, or as soon as it begins."""
        with self._lock:
            self._cancelled = True
            if self._child is not None:
                self._child.kill()

    def watch(self, child: subprocess.Popen[bytes] | None) -> None:
        """Note the child process that speaks.

        :param child: the process; None once it has ended.
        """
        with self._lock:
            self._child = child
            if child is not None and self._cancelled:
                child.kill()


class Synthesizer:
    """Speaks, one child process for each text.

    :param speech: whether to speak; None for yes where the ``speech`` extra is installed, else a tone.
    """

    def __init__(self, *, speech: bool | None = None) -> None:
        self.speech = speech_available() if speech is None else speech
        cores = os.cpu_count() or 1
        self.for_tasks = ThreadPoolExecutor(cores, thread_name_prefix="polly-synthesis-tasks")
        # More than the cores, so that a sentence does not wait for the longest texts of SynthesizeSpeech.
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
        """Speak a text. Blocks; call it from one of the two pools.

        :param request: members of the API's request: Text, TextType, VoiceId, LanguageCode, Engine,
            OutputFormat, SampleRate and SpeechMarkTypes.
        :param lexemes: of the lexicons to apply, the ones that win first.
        :param cancellation: ends it early.
        :param max_seconds: where the audio is cut, silence at its ends included; None for nowhere.
        :return: the audio, or the speech marks.
        :raises SynthesisError: where the child process failed, or the emulator is closing.
        """
        voice = voices.sound_of(request["VoiceId"], request.get("LanguageCode"))
        # The file has no name, so nothing is left behind when this process is killed.
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
        """End all child processes, and wait for their threads."""
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
                raise SynthesisError("The emulator is closing")
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
            # The pipe stays open: its closing tells the child that this process is gone.
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            report = child.stdout.readline()
            complaint = child.stderr.read()
        except BrokenPipeError:
            report, complaint = b"", b"the child process ended before it had read its request"
        finally:
            cancellation.watch(None)
            with self._lock:
                self._children.discard(child)
            child.kill()
            child.communicate()
        if not report:
            last_line = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise SynthesisError(last_line or "The child process died")
