"""The direction of text, and marks for lines that would be shown in the wrong one.

Players show each line in the direction of its first letter, as the WebVTT standard says:
https://www.w3.org/TR/webvtt1/#processing-cue-settings
"""

from __future__ import annotations

import unicodedata

LEFT_TO_RIGHT_MARK = "\u200e"
RIGHT_TO_LEFT_MARK = "\u200f"

_RIGHT_TO_LEFT = ("R", "AL")


def is_right_to_left(text: str) -> bool:
    """Return whether most letters of a text are of a script that is written from right to left.

    :param text: the text
    """
    if text.isascii():
        return False
    directions = [unicodedata.bidirectional(character) for character in text]
    return sum(direction in _RIGHT_TO_LEFT for direction in directions) > directions.count("L")


def with_direction(line: str, *, right_to_left: bool) -> str:
    """Return a line, with a mark in front if its first letter has another direction than the text.

    :param line: the line
    :param right_to_left: the direction of the text
    """
    if line.isascii():
        return RIGHT_TO_LEFT_MARK + line if right_to_left else line
    for character in line:
        direction = unicodedata.bidirectional(character)
        if direction == "L" or direction in _RIGHT_TO_LEFT:
            if (direction != "L") is right_to_left:
                return line
            break
    else:
        if not right_to_left:
            return line
    return (RIGHT_TO_LEFT_MARK if right_to_left else LEFT_TO_RIGHT_MARK) + line
