"""Speech marks of a piece are moved to its position in the joined file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_polly_provider.audio import joined_marks
from airflow_polly_provider.audio.joined_marks import MarkShifter
from tests.unit.audio.examples import EXAMPLES

POLLYS = (
    b'{"time":0,"type":"sentence","start":31,"end":95,"value":"Mary had a little lamb."}\n'
    b'{"time":0,"type":"ssml","start":40,"end":61,"value":"<break time=\\"300ms\\"/>"}\n'
    b'{"time":373,"type":"viseme","value":"k"}\n'
)


def shift(data: bytes, time_ms: int = 0, text_bytes: int = 0, chunk: int = 1 << 20) -> bytes:
    shifter = MarkShifter("piece 3", time_ms=time_ms, text_bytes=text_bytes)
    moved = b"".join(shifter.feed(data[at : at + chunk]) for at in range(0, len(data), chunk))
    return moved + shifter.finish()


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_times_and_offsets_of_pollys_lines_are_moved(chunk: int) -> None:
    assert shift(POLLYS, 10_000, -7, chunk) == (
        b'{"time":10000,"type":"sentence","start":24,"end":88,"value":"Mary had a little lamb."}\n'
        b'{"time":10000,"type":"ssml","start":33,"end":54,"value":"<break time=\\"300ms\\"/>"}\n'
        b'{"time":10373,"type":"viseme","value":"k"}\n'
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b'{"end":2,"start":1,"time":0}', b'{"end":3,"start":2,"time":5}', id="another order"),
        pytest.param(b' { "time" : 0 ,\t"x":1.0}\r', b' { "time" : 5 ,\t"x":1.0}\r', id="white space"),
        pytest.param(
            b'{"time":0,"value":"\\u00e9\xc3\xa9"}', b'{"time":5,"value":"\\u00e9\xc3\xa9"}', id="escapes"
        ),
        pytest.param(
            b'{"new":{"time":1,"a":[{"end":2}]},"time":0}',
            b'{"new":{"time":1,"a":[{"end":2}]},"time":5}',
            id="members of other members",
        ),
        pytest.param(
            b'{"value":"\\"time\\":1,","time":0}',
            b'{"value":"\\"time\\":1,","time":5}',
            id="names in a value",
        ),
        pytest.param(b'{"t\\u0069me":0}', b'{"t\\u0069me":5}', id="an escaped name"),
    ],
)
def test_everything_else_in_a_line_stays_the_same(line: bytes, expected: bytes) -> None:
    assert shift(line, 5, 1) == expected + b"\n"


def test_the_result_ends_with_a_line_end_so_that_pieces_can_follow() -> None:
    assert shift(POLLYS[:-1]) == POLLYS
    assert shift(POLLYS) == POLLYS
    assert shift(b"") == b""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "its character 1 is not JSON"),
        (b"[1]", "its character 1 is not JSON"),
        (b"{}", "its character 2 is not JSON"),
        (b'{"time":1', "its character 10 is not JSON"),
        (b'{"time":1}}', "its character 11 is not JSON"),
        (b'{"time":1,}', "its character 11 is not JSON"),
        (b'{"time" 1}', "its character 9 is not JSON"),
        (b'{"time":01}', "its character 10 is not JSON"),
        (b'{"time":1,"type":"w","value":"a\tb"}', "its character 32 is not JSON"),
        (b'{"time":1,"type":"w","value":"\\x"}', "its character 31 is not JSON"),
        (b'{"time":' + b"9" * 5000 + b"}", "its character 9 is not JSON"),
        (b'{"time":1,"value":"\xff"}', "its byte 20 is not UTF-8"),
        (b"{1:2}", "the name of a member is not a string"),
        (b'{"type":"word"}', "it has no 'time'"),
        (b'{"time":1,"time":1}', "it has 'time' twice"),
        (b'{"time":1.5}', "'time' is not an integer"),
        (b'{"time":true}', "'time' is not an integer"),
        (b'{"time":"1"}', "'time' is not an integer"),
        (b'{"time":-1}', "'time' is -1"),
        (b'{"time":1,"start":6}', "'start' is 6, and would be -1 in the joined file"),
        (b'{"time":1,"x":' + b"[" * 200_000, "it has too many levels"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("chunk", [50, 1 << 20])
def test_an_invalid_line_is_an_error_with_its_number(line: bytes, reason: str, chunk: int) -> None:
    data = POLLYS + line + b"\n" + POLLYS
    with pytest.raises(ValueError, match=f"^line 4 of the speech marks of piece 3 is not valid: {reason}"):
        shift(data, 0, -7, chunk)


def test_an_error_does_not_contain_the_text() -> None:
    with pytest.raises(ValueError, match="line 1") as error:
        shift(b'{"time":1,"value":"Secret" x}')
    assert "Secret" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


@pytest.mark.parametrize("chunk", [1, 100])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_is_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch, chunk: int, end: bytes) -> None:
    monkeypatch.setattr(joined_marks, "_MAX_LINE_BYTES", 30)
    line = b'{"time":1,"value":"%b"}'
    assert shift(line % (b"x" * 9) + end, 0, 0, chunk)
    with pytest.raises(ValueError, match=r"line 1 of .* it has more than 30 bytes"):
        shift(line % (b"x" * 10) + end, 0, 0, chunk)


numbers = st.integers(0, 1 << 40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
polls_marks = st.fixed_dictionaries(
    {
        "time": numbers,
        "type": st.sampled_from(["word", "ssml"]),
        "start": numbers,
        "end": numbers,
        "value": st.text(),
    }
)
other_marks = st.builds(
    lambda mark, others, order: dict(
        order.sample(sorted({**others, **mark}.items()), len({**others, **mark}))
    ),
    st.fixed_dictionaries({"time": numbers}, optional={"start": numbers, "end": numbers}),
    st.dictionaries(st.text(max_size=5), values, max_size=4),
    st.randoms(use_true_random=False),
)
marks = st.lists(polls_marks | other_marks, max_size=6)
forms = st.sampled_from([{"separators": (",", ":")}, {"ensure_ascii": False}, {}])


@settings(max_examples=EXAMPLES)
@given(marks, forms, st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(1, 300))
def test_only_the_numbers_of_any_marks_are_moved(
    given: list[dict[str, Any]], form: dict[str, Any], time_ms: int, text_bytes: int, chunk: int
) -> None:
    def lines(items: list[dict[str, Any]]) -> bytes:
        return b"".join(f"{json.dumps(each, **form)}\n".encode() for each in items)

    moved = [
        {
            key: value + {"time": time_ms, "start": text_bytes, "end": text_bytes}.get(key, 0)
            if key in ("time", "start", "end")
            else value
            for key, value in each.items()
        }
        for each in given
    ]
    assert shift(lines(given), time_ms, text_bytes, chunk) == lines(moved)
