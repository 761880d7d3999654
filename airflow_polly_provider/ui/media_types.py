"""The kinds of audio that the page plays or offers for download, and their fixed content types."""

from __future__ import annotations

from pathlib import PurePosixPath

from airflow_polly_provider.request.rules import SPEECH_MARKS_FORMAT

_TYPE_BY_SUFFIX = {
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".pcm": "audio/pcm",
    ".alaw": "audio/x-alaw-basic",
    ".mulaw": "audio/basic",
    ".ulaw": "audio/basic",
}
# What S3 may say about an object that is audio, and the type that the listener's browser gets.
_TYPES = {
    **{name: name for name in _TYPE_BY_SUFFIX.values()},
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
}
_RAW_FORMATS = frozenset({"pcm", "alaw", "mulaw"})
_RAW_SUFFIXES = frozenset({".pcm", ".alaw", ".mulaw", ".ulaw"})


def audio_type(key: str, content_type: str | None) -> str | None:
    """Return the content type to send for an object; None if the object is not audio.

    Objects that are not audio are never sent, whatever an XCom says about them.

    :param key: the object's key
    :param content_type: the object's content type in S3
    """
    by_suffix = _TYPE_BY_SUFFIX.get(_suffix(key))
    return by_suffix or _TYPES.get((content_type or "").partition(";")[0].strip().lower())


def unplayable_reason(output_format: str | None, key: str) -> str | None:
    """Return why a browser cannot play an object; None if it can.

    :param output_format: Polly's OutputFormat; None if it is not known
    :param key: the object's key
    """
    suffix = _suffix(key)
    if suffix == ".wav":  # output_format pcm, mulaw or alaw, with a header
        return None
    if output_format == SPEECH_MARKS_FORMAT or suffix in (".marks", ".json"):
        return "This object contains speech marks. There is nothing to hear."
    if output_format in _RAW_FORMATS or suffix in _RAW_SUFFIXES:
        return (
            'Browsers cannot play raw samples. Set output_container="wav" with an output_s3_key in the task, '
            'or choose output_format="mp3".'
        )
    return None


def _suffix(key: str) -> str:
    return PurePosixPath(key).suffix.lower()
