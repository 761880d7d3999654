"""Reads the document that an operator's ``document`` or ``turns`` gives."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.planning import SSML, Passage, Section
from airflow_polly_provider.document.reading import SUFFIXES, read_document
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.rendered import text_environment
from airflow_polly_provider.request.stored_file import bytes_from_storage
from airflow_polly_provider.request.template_file import text_from_file
from airflow_polly_provider.text.markup import Ssml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.compat import BaseOperator, Context
    from airflow_polly_provider.document.model import Document

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Maximum size in bytes of a document's file. An EPUB file with many pictures can be large."""

_EPUB = ".epub"
_SSML_SUFFIX = ".ssml"
_URI_OR_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|/|[A-Za-z]:[\\/]")


def read_source(
    operator: BaseOperator,
    document: Any,
    text_type: str | None,
    context: Context,
    *,
    may_name_file: bool,
    hook_parameters: Mapping[str, Any],
    max_characters: int,
) -> Document:
    """Return the document of an operator.

    :param operator: the operator, whose DAG defines the folders of template files
    :param document: the rendered value of its ``document``: a path, the name of a template file, or a text
    :param text_type: the operator's ``text_type``, for a text
    :param context: the running task's context, for the templates in a template file
    :param may_name_file: whether a string may be a path or the name of a template file
    :param hook_parameters: the operator's AWS connection settings
    :param max_characters: the maximum number of characters to speak
    :raises PollyInvalidRequestError: the document cannot be read, is too long, or contains nothing to speak
    :raises PollyConfigurationError: access to the file is denied
    """
    if document is None:
        raise PollyInvalidRequestError(
            "document is None. The upstream task returned no value: it failed, returned None, or has "
            "do_xcom_push=False."
        )
    content, suffix = _content(operator, document, text_type, context, may_name_file, hook_parameters)
    is_ssml = suffix == _SSML_SUFFIX
    if text_type is not None and (text_type == SSML) != is_ssml:
        found = "SSML" if is_ssml else f"a {suffix} document"
        raise PollyInvalidRequestError(
            f"text_type is {text_type!r:.20}, but document is {found}. Remove text_type: it is only needed "
            "for SSML in a string."
        )
    return read_document(content, suffix, max_characters=max_characters)


def _content(
    operator: BaseOperator,
    document: Any,
    text_type: str | None,
    context: Context,
    may_name_file: bool,
    hook_parameters: Mapping[str, Any],
) -> tuple[bytes | str, str]:
    """Return the content of a document, and the suffix that names its format."""
    if text_type not in (None, "text", SSML):
        raise PollyInvalidRequestError(f"text_type must be 'text' or 'ssml', not {text_type!r:.100}.")
    if isinstance(document, Ssml):
        return str(document), _SSML_SUFFIX
    name = document.strip() if isinstance(document, str) else document
    if isinstance(name, str):
        suffix = _suffix(name)
        if not may_name_file or suffix is None:
            return document, _SSML_SUFFIX if text_type == SSML else ".txt"
        if not _URI_OR_ABSOLUTE.match(name):
            return _template_file(operator, name, suffix, context), suffix
    elif not isinstance(name, os.PathLike) and not hasattr(name, "open"):
        # On some Airflow versions ObjectStoragePath is not an os.PathLike.
        raise PollyInvalidRequestError(
            f"document must be a text or the path of a file, not {type(document).__name__}."
        )
    suffix = _suffix(str(name))
    if suffix is None:
        raise PollyInvalidRequestError(
            f"document {str(name)!r:.200} has an unknown extension. Valid extensions: {', '.join(SUFFIXES)}."
        )
    data = bytes_from_storage(
        name,
        hook_parameters,
        parameter="document",
        max_bytes=MAX_FILE_BYTES,
        when_too_long=". Split it into several documents.",
    )
    return data, suffix


def _suffix(name: str) -> str | None:
    """Return the suffix of a file of a document; None if the text is not the name of one."""
    if re.search(r"[\r\n]", name):
        return None
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)
    # A short text such as "Read me in book.txt" is not a name, unless it is a whole path.
    is_name = _URI_OR_ABSOLUTE.match(name) or not re.search(r"\s", name)
    return suffix if is_name else None


def _template_file(operator: BaseOperator, name: str, suffix: str, context: Context) -> bytes | str:
    if suffix != _EPUB:
        return text_from_file(operator, name, context, parameter="document")
    folders = list(getattr(text_environment(operator).loader, "searchpath", ()))
    # Jinja does not read other template files outside of these folders either.
    for folder in folders if ".." not in Path(name).parts else ():
        path = Path(folder, name)
        if path.is_file():
            if path.stat().st_size > MAX_FILE_BYTES:
                raise PollyInvalidRequestError(f"{path} is longer than {MAX_FILE_BYTES:,} bytes.")
            return path.read_bytes()
    raise PollyInvalidRequestError(
        f"document names the file {name!r}, which is in none of: {', '.join(folders)}. Put the file into the "
        "folder of the DAG file, or give a path such as s3://bucket/key."
    )


def sections_of(document: Document) -> list[Section]:
    """Return the chapters of a document for planning.

    :param document: the document
    """
    return [
        Section(chapter.title, chapter.level, (Passage(chapter.text, chapter.text_type),))
        for chapter in document.chapters
    ]


def section_of_turns(document: Document) -> list[Section]:
    """Return the turns of a dialogue as one section without a title.

    :param document: the document, with one chapter for each turn
    """
    passages = tuple(
        Passage(turn.text, turn.text_type, turn.voice_id, turn.pause_seconds) for turn in document.chapters
    )
    return [Section(None, 1, passages)]
