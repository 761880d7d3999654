"""Short audio for many synthesis tasks.

The emulator starts a child process for each synthesis. For 10,000 texts, this would take a lot of CPU time on
the machine that also runs Airflow.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any
from unittest import mock

from airflow_polly_provider.emulator.speech.synthesis import Synthesizer

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def same_audio() -> Iterator[None]:
    """Make emulators of this process synthesize only the first text of each format, and reuse its audio."""
    synthesize = Synthesizer.synthesize
    made: dict[str, bytes] = {}
    lock = threading.Lock()

    def reuse(self: Synthesizer, request: dict[str, Any], *args: Any, **kwargs: Any) -> bytes:
        with lock:
            if (output_format := request["OutputFormat"]) not in made:
                made[output_format] = synthesize(self, request, *args, **kwargs)
            return made[output_format]

    with mock.patch.object(Synthesizer, "synthesize", reuse):
        yield
