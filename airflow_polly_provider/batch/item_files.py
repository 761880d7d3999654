"""Reads the items of a batch from a JSON, JSON Lines or CSV file, or from a rendered template."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.batch.item_keys import BOOLEAN_KEYS, ITEM_KEYS, LIST_KEYS, unknown_key_problem
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.stored_file import bytes_from_storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Maximum length in bytes of a file of items."""

MAX_LITERAL_CHARACTERS = 16 * 1024 * 1024
"""Maximum length in characters of a rendered Python list. To parse one takes 12 times as much memory."""

JSON_EXTENSION = ".json"
JSON_LINES_EXTENSIONS = (".jsonl", ".ndjson")
CSV_EXTENSION = ".csv"

_EXTENSIONS = (JSON_EXTENSION, *JSON_LINES_EXTENSIONS, CSV_EXTENSION)
_SEPARATORS = re.compile(r"[\s,;]+")
_MAY_HAVE_SPACES = frozenset({"id", "text", "output_s3_key"})
_BOOLEANS = {"true": True, "false": False}
_MAX_DIGITS = 18


@dataclass(frozen=True)
class UnreadableItem:
    """An item of a file that cannot be read.

    :param problem: what is wrong; never the content
    """

    problem: str


def is_path(items: object) -> bool:
    """Return whether ``items`` is a path: a path object, or a string that ends like a file of items.

    :param items: the rendered value of the operator's parameter
    """
    if isinstance(items, str):
        return items.strip().lower().endswith(_EXTENSIONS)
    # On some Airflow versions ObjectStoragePath is not an os.PathLike.
    return isinstance(items, os.PathLike) or hasattr(items, "open")


def read_item_file(path: Any, hook_parameters: Mapping[str, Any]) -> Iterable[object]:
    """Return the items in a UTF-8 file: mappings, or :class:`UnreadableItem`.

    The extension of the path names the format: ``.json`` is a list of objects, ``.jsonl`` or ``.ndjson`` has
    one object in each line, and ``.csv`` has the names of the parameters in its first row. An empty CSV cell
    means that the parameter is not given.

    :param path: a path as in :func:`~airflow_polly_provider.request.stored_file.text_from_storage`
    :param hook_parameters: the operator's AWS connection settings
    :raises PollyInvalidRequestError: the file does not exist, is longer than :data:`MAX_FILE_BYTES`, or has
        another format. For JSON Lines and CSV also raised during the iteration
    :raises PollyConfigurationError: access to the file is denied
    """
    path = path.strip() if isinstance(path, str) else path
    name = str(path).lower()
    if not name.endswith(_EXTENSIONS):
        raise PollyInvalidRequestError(
            f"items {str(path)!r:.200} has an unknown extension. Valid extensions: {', '.join(_EXTENSIONS)}."
        )
    data = bytes_from_storage(
        path,
        hook_parameters,
        parameter="items",
        max_bytes=MAX_FILE_BYTES,
        when_too_long=". Split it into several files, and map the operator over them.",
    )
    if name.endswith(JSON_EXTENSION):
        return _list_in(_decoded(data, path), path)
    # newline="": the csv module needs the original line ends.
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    rows = _csv_items(lines, path) if name.endswith(CSV_EXTENSION) else _json_lines_items(lines)
    return _with_utf8_error(rows, path)


def items_in_text(text: str) -> list[object]:
    """Return the items in a string: a JSON list, or a Python list as a template renders it.

    :param text: the rendered value of the operator's ``items``; the error does not contain it
    :raises PollyInvalidRequestError: the text is not a list, or a Python list that is longer than
        :data:`MAX_LITERAL_CHARACTERS`
    """
    found = _parsed(text)
    if isinstance(found, list | tuple):
        return list(found)
    raise PollyInvalidRequestError(
        f"items is a string of {len(text):,} characters, but neither a JSON list, nor a Python list of at "
        f"most {MAX_LITERAL_CHARACTERS:,} characters, nor a path that ends in {', '.join(_EXTENSIONS)}. "
        "Pass the output of the upstream task (items=upstream.output), or such a path."
    )


def _parsed(text: str) -> object:
    """Return the value of a JSON document or of a Python literal; None if the text is neither."""
    # Python's errors can quote the text.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > MAX_LITERAL_CHARACTERS:
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _decoded(data: bytes, path: object) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = error.reason
    raise _not_utf8(path, problem)


def _with_utf8_error(items: Iterator[object], path: object) -> Iterator[object]:
    try:
        yield from items
    except UnicodeDecodeError as error:
        problem = error.reason
    else:
        return
    raise _not_utf8(path, problem)


def _not_utf8(path: object, problem: str) -> PollyInvalidRequestError:
    return PollyInvalidRequestError(f"{path} is not UTF-8: {problem}. Store it as UTF-8.")


def _list_in(text: str, path: object) -> list[object]:
    value, problem = _json_value(text)
    if problem is None and isinstance(value, list):
        return value
    reason = f"contains {type(value).__name__}" if problem is None else f"is not valid JSON: {problem}"
    raise PollyInvalidRequestError(
        f"{path} {reason}. It must contain a JSON list of objects, one for each item. If each line is an "
        "object of its own, name the file .jsonl."
    )


def _json_value(text: str) -> tuple[Any, str | None]:
    """Return the value of a JSON document, or the problem, which does not quote the document."""
    try:
        return json.loads(text), None
    except json.JSONDecodeError as error:
        return None, f"{error.msg} at line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError) as error:
        # A number with too many digits, or lists in lists.
        return None, f"{type(error).__name__}"


def _json_lines_items(lines: Iterable[str]) -> Iterator[object]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            value, problem = _json_value(line)
            yield value if problem is None else UnreadableItem(_at_line(number, "is not valid JSON", problem))


def _at_line(number: int, wrong: str, problem: str) -> str:
    return f"Line {number:,} of the file {wrong}: {problem}."


def _csv_items(lines: Iterable[str], path: object) -> Iterator[object]:
    with _long_csv_fields():
        rows = csv.reader(lines, strict=True)
        try:
            names = _csv_names(next(filter(any, rows), []), path)
            for row in filter(any, rows):
                yield _csv_item(names, row, rows.line_num)
        except csv.Error as error:
            problem = str(error)
        else:
            return
        # The rows after a quotation mark that is missing or misplaced cannot be told apart.
        yield UnreadableItem(
            f"{_at_line(rows.line_num, 'is not valid CSV', problem)} The file was not read further. Put a "
            "text that contains a comma, a quotation mark or a line end into quotation marks, and write "
            '"" for a quotation mark in it.'
        )


@contextmanager
def _long_csv_fields() -> Iterator[None]:
    """Let the csv module read fields of more than 131,072 characters. A text can have 200,000."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, MAX_FILE_BYTES))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _csv_names(header: list[str], path: object) -> list[str]:
    names = [name.strip() for name in header]
    # Without the column text, the row may be an item. Therefore the error does not quote it.
    if names and "text" not in names:
        raise PollyInvalidRequestError(
            f"The first row of {path} does not contain 'text'. It must have the names of the parameters, "
            "separated by commas, such as id,text,voice_id."
        )
    named = [name for name in names if name]
    problems = [unknown_key_problem(name) for name in dict.fromkeys(named) if name not in ITEM_KEYS]
    problems += [f"{name!r} names two columns." for name in ITEM_KEYS if named.count(name) > 1]
    if problems:
        raise PollyInvalidRequestError(f"The first row of {path} is invalid. {' '.join(problems)}")
    return names


def _csv_item(names: list[str], row: list[str], line: int) -> object:
    if len(row) > len(names):
        return UnreadableItem(
            f"The row that ends at line {line:,} has {len(row)} cells, but the first row has {len(names)}. "
            "Put a text that contains a comma into quotation marks."
        )
    cells = zip(names, row, strict=False)
    given = {name: cell if name in _MAY_HAVE_SPACES else cell.strip() for name, cell in cells}
    if given.get(""):
        return UnreadableItem(f"The row that ends at line {line:,} has a value in a column without a name.")
    return {name: _csv_value(name, cell) for name, cell in given.items() if cell}


def _csv_value(name: str, cell: str) -> object:
    """Return the value of a cell. A cell that does not have the type of its column stays a string."""
    if name in LIST_KEYS:
        return [part for part in _SEPARATORS.split(cell) if part]
    if name in BOOLEAN_KEYS:
        return _BOOLEANS.get(cell.lower(), cell)
    if name == "max_request_characters" and cell.isascii() and cell.isdigit() and len(cell) <= _MAX_DIGITS:
        return int(cell)
    return cell
