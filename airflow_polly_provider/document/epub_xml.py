"""Parses the XML files that describe an EPUB."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from airflow_polly_provider.exceptions import PollyInvalidRequestError


@dataclass(slots=True)
class XmlElement:
    """An element of an XML file.

    :param name: name without its prefix
    :param parent: index of the element that contains it; -1 for the root
    :param attributes: values by name without the prefix
    :param text: the text directly in the element, in parts
    """

    name: str
    parent: int
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)


class _EntityDeclaredError(Exception):
    """Stops the parser at the declaration of an entity, whose expansion could be arbitrarily large."""


def parse_xml(content: bytes, path: str) -> list[XmlElement]:
    """Return the elements of an XML file in the order of their start tags.

    :param content: the file
    :param path: path of the file in the EPUB, for error messages
    :raises PollyInvalidRequestError: the file is not well-formed, or declares an entity
    """
    elements: list[XmlElement] = []
    open_elements: list[int] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        own = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        parent = open_elements[-1] if open_elements else -1
        open_elements.append(len(elements))
        elements.append(XmlElement(name.rpartition(":")[2], parent, own))

    def end(_name: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        elements[open_elements[-1]].text.append(data)

    def stop(*_: Any) -> None:
        raise _EntityDeclaredError

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.EntityDeclHandler = stop
    try:
        parser.Parse(content, True)
    except _EntityDeclaredError:
        raise PollyInvalidRequestError(
            f"{path!r:.200} in the EPUB declares an XML entity, which is not supported. Replace the entity "
            "by its text, and remove the declaration."
        ) from None
    except expat.ExpatError as error:
        raise PollyInvalidRequestError(
            f"{path!r:.200} in the EPUB is not well-formed XML: {expat.ErrorString(error.code)} at line "
            f"{error.lineno}, column {error.offset + 1}. Correct it, or create the EPUB again."
        ) from error
    except (LookupError, ValueError) as error:
        raise PollyInvalidRequestError(
            f"{path!r:.200} in the EPUB has an encoding that is not supported. Convert it to UTF-8."
        ) from error
    return elements
