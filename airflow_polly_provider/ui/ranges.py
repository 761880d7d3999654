"""The HTTP header Range, as far as audio players use it.

Source: https://www.rfc-editor.org/rfc/rfc9110#name-range
"""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


def single_range(header: str | None) -> str | None:
    """Return a Range header for S3; None if the whole object must be sent.

    A server may ignore a header that it does not understand. Several ranges and invalid headers are ignored.

    :param header: the header of the listener's request; None if it has none
    """
    found = _RANGE.fullmatch(header or "")
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        return f"bytes=-{int(suffix)}"
    if last and int(last) < int(first):
        return None
    return f"bytes={int(first)}-{int(last) if last else ''}"


def is_content_range(header: object) -> bool:
    """Return whether a Content-Range header of a response is complete and consistent.

    :param header: the header's value
    """
    found = _CONTENT_RANGE.fullmatch(header) if isinstance(header, str) else None
    if found is None:
        return False
    first, last, size = map(int, found.groups())
    return first <= last < size
