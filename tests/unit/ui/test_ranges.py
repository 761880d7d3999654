from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.ui.ranges import is_content_range, single_range


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        ("bytes=0-", "bytes=0-"),
        ("bytes=0-0", "bytes=0-0"),
        ("bytes=5-9", "bytes=5-9"),
        ("bytes=-500", "bytes=-500"),
        ("bytes=-0", "bytes=-0"),
        ("Bytes = 7-", "bytes=7-"),
        ("bytes=0005-0009 ", "bytes=5-9"),
        ("bytes=999999999999999999-", "bytes=999999999999999999-"),
    ],
)
def test_one_valid_range_goes_to_s3(header: str, sent: str) -> None:
    assert single_range(header) == sent


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=9-5",
        "bytes=0-1,3-4",
        "bytes=a-b",
        "bytes=--5",
        "bytes=+1-2",
        "bytes=1.5-2",
        "bytes=0x1-2",
        "bytes=1-2\r\nX-Forged: 1",
        "bytes=\N{ARABIC-INDIC DIGIT ONE}-",
        "items=0-5",
        "bytes=1000000000000000000-",
    ],
)
def test_any_other_header_is_ignored(header: str | None) -> None:
    """A server may ignore a Range header, and then sends the whole object (RFC 9110, section 14.2)."""
    assert single_range(header) is None


@given(st.text() | st.from_regex(r"bytes=\d*-\d*(,\d*-\d*)?"))
def test_what_goes_to_s3_is_ascii_and_has_one_range(header: str) -> None:
    sent = single_range(header)
    assert sent is None or (sent.isascii() and sent.startswith("bytes=") and "," not in sent)


@pytest.mark.parametrize("header", ["bytes 0-0/1", "bytes 5-9/10", "bytes 0-999999999999/1000000000000"])
def test_a_complete_content_range_is_accepted(header: str) -> None:
    assert is_content_range(header)


@pytest.mark.parametrize(
    "header",
    [None, 5, "", "bytes */10", "bytes 0-9/*", "bytes 5-10/10", "bytes 9-5/10", "0-5/10", "bytes 0-1/9\n"],
)
def test_an_inconsistent_content_range_is_refused(header: object) -> None:
    assert not is_content_range(header)
