"""Reads an EPUB's container and package document: its metadata, its files, and their order.

Sources: https://www.w3.org/TR/epub-33/ and https://idpf.org/epub/20/spec/OPF_2.0_final_spec.html
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_polly_provider.document.epub_xml import parse_xml
from airflow_polly_provider.document.model import one_line
from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from airflow_polly_provider.document.epub_archive import EpubArchive
    from airflow_polly_provider.document.epub_xml import XmlElement

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_RIGHTS = ("META-INF/rights.xml", "META-INF/sinf.xml")
_FONT_OBFUSCATION = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
_PACKAGE_TYPE = "application/oebps-package+xml"
_NCX_TYPE = "application/x-dtbncx+xml"
_TEXT_TYPES = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document"})
_MAX_FALLBACKS = 10


@dataclass(frozen=True, slots=True)
class EpubPackage:
    """What an EPUB's package document states.

    :param title: the first title; None if there is none
    :param author: the authors, separated by commas; None if there is none
    :param language: the first language; None if there is none
    :param spine: paths of the XHTML files in reading order, each once
    :param navigation: path of the navigation document (EPUB 3); None if there is none
    :param ncx: path of the NCX (EPUB 2); None if there is none
    """

    title: str | None
    author: str | None
    language: str | None
    spine: tuple[str, ...]
    navigation: str | None
    ncx: str | None


@dataclass(frozen=True, slots=True)
class _Item:
    href: str
    media_type: str
    properties: frozenset[str]
    fallback: str | None


def read_package(archive: EpubArchive) -> EpubPackage:
    """Return what an EPUB's package document states.

    :param archive: the EPUB
    :raises PollyInvalidRequestError: the EPUB is encrypted; or its container, package document or spine is
        missing or invalid
    """
    _validate_not_encrypted(archive)
    path = _package_path(archive)
    elements = parse_xml(archive.read(path), path)
    items = {
        element.attributes.get("id", ""): _item(element) for element in elements if element.name == "item"
    }
    folder = posixpath.dirname(path)

    def path_of(item: _Item | None) -> str | None:
        found = archive.find(folder, item.href) if item else None
        return found[0] if found and found[0] in archive else None

    navigation = next((item for item in items.values() if "nav" in item.properties), None)
    toc = next((element.attributes.get("toc", "") for element in elements if element.name == "spine"), "")
    ncx = items.get(toc) or next((item for item in items.values() if item.media_type == _NCX_TYPE), None)
    authors = [
        text
        for element, text in _metadata(elements, "creator")
        if element.attributes.get("role", "aut") == "aut"
    ]
    return EpubPackage(
        title=next((text for _, text in _metadata(elements, "title")), None),
        author=", ".join(authors) or None,
        language=next((text for _, text in _metadata(elements, "language")), None),
        spine=_spine(archive, folder, elements, items),
        navigation=path_of(navigation),
        ncx=path_of(ncx),
    )


def _validate_not_encrypted(archive: EpubArchive) -> None:
    is_encrypted = any(path in archive for path in _RIGHTS)
    if not is_encrypted and _ENCRYPTION in archive:
        elements = parse_xml(archive.read(_ENCRYPTION), _ENCRYPTION)
        # The method is optional. An encrypted key also has one, but only the methods of files matter.
        fonts = {
            element.parent
            for element in elements
            if element.name == "EncryptionMethod" and element.attributes.get("Algorithm") in _FONT_OBFUSCATION
        }
        is_encrypted = any(
            element.name == "EncryptedData" and position not in fonts
            for position, element in enumerate(elements)
        )
    if is_encrypted:
        raise PollyInvalidRequestError(
            "The EPUB is protected by digital rights management (DRM), so its text cannot be read. Use an "
            "EPUB without DRM."
        )


def _package_path(archive: EpubArchive) -> str:
    if _CONTAINER not in archive:
        raise PollyInvalidRequestError(
            f"The file is a zip archive, but not an EPUB: it does not contain {_CONTAINER}. Check the file."
        )
    roots = [
        element for element in parse_xml(archive.read(_CONTAINER), _CONTAINER) if element.name == "rootfile"
    ]
    # The first package document is the default one.
    roots.sort(key=lambda element: element.attributes.get("media-type") != _PACKAGE_TYPE)
    found = archive.find("", roots[0].attributes.get("full-path", "")) if roots else None
    if found is None:
        raise PollyInvalidRequestError(
            f"{_CONTAINER} in the EPUB does not name a package document (OPF). Create the EPUB again."
        )
    return found[0]


def _item(element: XmlElement) -> _Item:
    value = element.attributes
    return _Item(
        href=value.get("href", ""),
        media_type=value.get("media-type", "").strip().lower(),
        properties=frozenset(value.get("properties", "").split()),
        fallback=value.get("fallback"),
    )


def _metadata(elements: list[XmlElement], name: str) -> list[tuple[XmlElement, str]]:
    found = []
    for element in elements:
        # In EPUB 2, <metadata> may contain <dc-metadata>.
        if element.name == name and elements[element.parent].name in ("metadata", "dc-metadata"):
            text = one_line("".join(element.text))
            if text:
                found.append((element, text))
    return found


def _spine(
    archive: EpubArchive, folder: str, elements: list[XmlElement], items: dict[str, _Item]
) -> tuple[str, ...]:
    paths: dict[str, None] = {}
    references = [element for element in elements if element.name == "itemref"]
    if not references:
        raise PollyInvalidRequestError(
            "The package document of the EPUB has no spine, which is the list of its texts. Create the EPUB "
            "again."
        )
    for reference in references:
        if reference.attributes.get("linear", "").strip().lower() == "no":
            continue
        name = reference.attributes.get("idref", "")
        if name not in items:
            raise PollyInvalidRequestError(
                f"The spine of the EPUB refers to the item {name!r:.100}, which its manifest does not "
                "contain. Create the EPUB again."
            )
        item = _readable(items, items[name])
        if item is None:
            continue
        found = archive.find(folder, item.href)
        if found is None or found[0] not in archive:
            raise PollyInvalidRequestError(
                f"The spine of the EPUB refers to the file {item.href!r:.200}, which the EPUB does not "
                "contain. Create the EPUB again."
            )
        paths[found[0]] = None
    return tuple(paths)


def _readable(items: dict[str, _Item], item: _Item | None) -> _Item | None:
    """Return an item, or the first of its fallbacks, that is a text; None if it is an image or the like."""
    for _ in range(_MAX_FALLBACKS):
        if item is None or item.media_type in _TEXT_TYPES:
            return item
        item = items.get(item.fallback or "")
    return None
