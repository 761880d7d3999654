from __future__ import annotations

import pytest

from airflow_polly_provider.ui.media_types import audio_type, unplayable_reason


@pytest.mark.parametrize(
    ("key", "content_type", "sent"),
    [
        ("a/hello.mp3", None, "audio/mpeg"),
        ("a/HELLO.MP3", "binary/octet-stream", "audio/mpeg"),
        ("hello.ogg", "text/html", "audio/ogg"),
        ("hello.opus", None, "audio/ogg"),
        ("hello.wav", None, "audio/wav"),
        ("hello.pcm", None, "audio/pcm"),
        ("hello", "audio/mpeg", "audio/mpeg"),
        ("hello", "Audio/MP3; charset=x", "audio/mpeg"),
        ("hello.final", "audio/x-wav", "audio/wav"),
    ],
)
def test_audio_has_a_fixed_content_type(key: str, content_type: str | None, sent: str) -> None:
    assert audio_type(key, content_type) == sent


@pytest.mark.parametrize(
    ("key", "content_type"),
    [
        ("secrets.csv", "text/csv"),
        ("page.html", "text/html"),
        ("hello", None),
        ("hello", ""),
        ("image.svg", "image/svg+xml"),
        ("hello.mp3/data", "application/octet-stream"),
        ("hello", "audio/midi"),
        (".mp3", None),
    ],
)
def test_other_objects_have_none(key: str, content_type: str | None) -> None:
    assert audio_type(key, content_type) is None


@pytest.mark.parametrize(
    ("output_format", "key"),
    [("mp3", "a.mp3"), ("ogg_vorbis", "a.ogg"), (None, "a.mp3"), ("pcm", "a.wav"), ("mulaw", "a.WAV")],
)
def test_a_browser_plays(output_format: str | None, key: str) -> None:
    assert unplayable_reason(output_format, key) is None


@pytest.mark.parametrize(
    ("output_format", "key", "reason"),
    [
        ("pcm", "a.pcm", "Browsers cannot play raw samples. Set output_container="),
        ("alaw", "a", "Browsers cannot play raw samples"),
        (None, "a.mulaw", "Browsers cannot play raw samples"),
        ("json", "a.marks", "This object contains speech marks."),
        (None, "a.json", "This object contains speech marks."),
    ],
)
def test_a_browser_cannot_play(output_format: str | None, key: str, reason: str) -> None:
    assert (unplayable_reason(output_format, key) or "").startswith(reason)
