"""Synthesis in child processes: at most as many at once as there are cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow_polly_provider
from airflow_polly_provider.emulator.base import voices
from airflow_polly_provider.emulator.speech.rules import sample_rate
from airflow_polly_provider.emulator.speech.worker import speech_available

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_polly_provider.emulator.text.pronunciation import Lexeme

# The folder that holds the package, for a child that may run with another sys.path.
_ROOT = str(Path(airflow_polly_provider.__file__).resolve().parent.parent)


class SynthesisError(Exception):
    """A synthesis that did not come to an end."""


class Synthesizer:
    """Speaks, one child process for each text.

    :param speech: whether to speak; None for yes where the ``speech`` extra is installed, else a tone.
    :param workers: how many at once; None for one a core.
    """

    def __init__(self, *, speech: bool | None = None, workers: int | None = None) -> None:
        self.speech = speech_available() if speech is None else speech
        self.pool = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="polly-synthesis")
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    @contextmanager
    def synthesize(
        self, request: dict[str, Any], lexemes: Sequence[Lexeme] = (), *, max_seconds: float | None = None
    ) -> Iterator[Path]:
        """Speak a text to a file that lives as long as the block. Blocks; call it from ``self.pool``.

        :param request: members of the API's request: Text, TextType, VoiceId, LanguageCode, Engine,
            OutputFormat, SampleRate and SpeechMarkTypes.
        :param lexemes: of the lexicons to apply, the ones that win first.
        :param max_seconds: where the audio is cut; None for nowhere.
        :raises SynthesisError: where the child process failed, or the emulator is closing.
        """
        with tempfile.TemporaryDirectory(prefix="polly-emulator-") as folder:
            path = Path(folder, "output")
            voice = voices.sound_of(request["VoiceId"], request.get("LanguageCode"))
            self._run(
                {
                    "text": request["Text"],
                    "text_type": request.get("TextType", "text"),
                    "output_format": request["OutputFormat"],
                    "mark_types": request.get("SpeechMarkTypes", []),
                    "max_seconds": max_seconds,
                    "lexemes": [astuple(lexeme) for lexeme in lexemes],
                    "sample_rate": sample_rate(request),
                    "voice": voice.espeak_voice,
                    "pitch": voice.pitch,
                    "words_per_minute": voice.words_per_minute,
                    "speech": self.speech,
                    "path": str(path),
                }
            )
            yield path

    def close(self) -> None:
        """End all child processes, and wait for their threads."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.kill()
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
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
            )
            self._children.add(child)
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
            with self._lock:
                self._children.discard(child)
            child.kill()
            child.communicate()
        if not report:
            last_line = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise SynthesisError(last_line or "The child process died")
        return dict(json.loads(report))
