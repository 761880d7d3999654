"""Types and helpers that several emulator tests use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MakeClient = Callable[..., Any]
"""Type of the fixture ``client``: creates a boto3 client for a service."""
StartTask = Callable[..., dict[str, Any]]
"""Type of the fixture ``start_task``: starts a synthesis task and returns it."""
WaitForEnd = Callable[[str], dict[str, Any]]
"""Type of the fixture ``wait_for_end``: waits for a synthesis task and returns it."""

CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}

LEXICON = (
    '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="{alphabet}" '
    'xml:lang="{language}"><lexeme><grapheme>{grapheme}</grapheme><alias>{alias}</alias></lexeme></lexicon>'
)
LEXICON_FIELDS = {"alphabet": "ipa", "language": "en-US", "grapheme": "a", "alias": "b"}


def lexicon(**changes: str) -> str:
    """Return a valid PLS document with the given changes."""
    return LEXICON.format(**LEXICON_FIELDS | changes)


@contextmanager
def emulator_command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``python -m airflow_polly_provider.emulator`` on a free port; yield the process and its URL.

    :param arguments: additional arguments of the command
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow_polly_provider.emulator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline().strip()
        assert line.startswith("Polly emulator listening on http://127.0.0.1:"), process.stderr.read()
        yield process, line.rpartition(" ")[2]
    finally:
        process.kill()
        process.communicate()
