"""Builds EPUB files for tests."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""
METADATA = """<dc:title>The Book</dc:title><dc:creator opf:role="aut">Ann Author</dc:creator>
<dc:creator opf:role="ill">Ian Illustrator</dc:creator><dc:creator>Bob</dc:creator>
<dc:language>en-GB</dc:language>"""


def page(body: str, *, head: str = "<title/>") -> str:
    """Return an XHTML file."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head>{head}</head><body>{body}</body></html>'
    )


def nav(entries: str) -> str:
    """Return a navigation document with the entries of its outermost list."""
    landmarks = '<nav epub:type="landmarks"><ol><li><a href="one.xhtml">Start</a></li></ol></nav>'
    return page(f'<h1>Contents</h1>{landmarks}<nav epub:type="toc" hidden=""><ol>{entries}</ol></nav>')


def ncx(points: str) -> str:
    """Return an NCX with these navPoints."""
    return (
        '<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "ncx-2005-1.dtd">'
        f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>'
    )


def point(title: str, source: str, inner: str = "") -> str:
    """Return a navPoint of an NCX."""
    return f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{source}"/>{inner}</navPoint>'


def package(
    files: Iterable[str], *, spine: str | None = None, metadata: str = METADATA, items: str = ""
) -> str:
    """Return a package document; by default the spine has all files with the suffix .xhtml except nav.xhtml.

    The id of each file is its name.
    """
    types = {"xhtml": "application/xhtml+xml", "ncx": "application/x-dtbncx+xml", "svg": "image/svg+xml"}
    names = list(files)
    properties = {"nav.xhtml": ' properties="nav"'}
    manifest = "".join(
        f'<item id="{name}" href="{name}" media-type="{types[name.rpartition(".")[2]]}"'
        f"{properties.get(name, '')}/>"
        for name in names
    )
    if spine is None:
        texts = [name for name in names if name.endswith(".xhtml") and name != "nav.xhtml"]
        spine = "".join(f'<itemref idref="{name}"/>' for name in texts)
    return (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:opf="http://www.idpf.org/2007/opf">'
        f"{metadata}</metadata><manifest>{manifest}{items}</manifest><spine>{spine}</spine></package>"
    )


def archive(members: Mapping[str, str | bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive with these files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return target.getvalue()


def members_of(
    files: Mapping[str, str], *, spine: str | None = None, metadata: str = METADATA, items: str = ""
) -> dict[str, str | bytes]:
    """Return the files of an EPUB, with its texts in the folder OEBPS."""
    content = package(files, spine=spine, metadata=metadata, items=items)
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": content,
        **{f"OEBPS/{name}": text for name, text in files.items()},
    }


def epub(
    files: Mapping[str, str], *, spine: str | None = None, metadata: str = METADATA, items: str = ""
) -> bytes:
    """Return an EPUB with these texts."""
    return archive(members_of(files, spine=spine, metadata=metadata, items=items))
