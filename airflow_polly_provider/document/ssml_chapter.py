"""Reads an SSML file as a document."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from airflow_polly_provider.document.characters import has_speech
from airflow_polly_provider.document.model import Document, DocumentChapter
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.text.well_formed import validate_well_formed


class _EntityDeclaredError(Exception):
    """Stops the parser at the declaration of an entity, whose expansion could be arbitrarily large."""


def read_ssml(ssml: str) -> Document:
    """Return an SSML document as one chapter, unchanged.

    :param ssml: a complete SSML document
    :raises PollyInvalidRequestError: it is not well-formed, or has nothing to speak
    """
    if problem := ssml_problem(ssml):
        raise PollyInvalidRequestError(problem)
    return Document(None, None, None, (DocumentChapter(None, 1, ssml, "ssml"),))


def ssml_problem(ssml: str) -> str | None:
    """Return what is wrong with an SSML document; None if it is well-formed and has text to speak.

    :param ssml: the document; the problem does not quote it
    """
    try:
        validate_well_formed(ssml)
    except PollyInvalidRequestError as error:
        return str(error)
    return None if _has_speech(ssml) else "The SSML has nothing to speak. Put text into <speak>…</speak>."


def _has_speech(ssml: str) -> bool:
    found = False

    def read(data: str) -> None:
        nonlocal found
        found = found or has_speech(data)

    def end_at_entity(*_: Any) -> None:
        raise _EntityDeclaredError

    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.CharacterDataHandler = read
    parser.EntityDeclHandler = end_at_entity
    try:
        parser.Parse(ssml.encode("utf-8", "surrogatepass"), True)
    except _EntityDeclaredError:
        # An entity may contain the text.
        return True
    return found
