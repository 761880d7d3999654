"""Invalid, encrypted and hostile EPUBs: each error says what is wrong and what to do."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.document import epub_archive
from airflow_polly_provider.document.epub_chapters import read_epub
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from tests.unit.document.epub_files import archive, epub, members_of, nav, ncx, page, point
from tests.unit.document.examples import many

FILES = {"one.xhtml": page("<h1>One</h1><p>first</p>"), "two.xhtml": page("<h1>Two</h1><p>second</p>")}
MEMBERS = members_of(FILES)
OPF = "OEBPS/content.opf"
NCX = ncx(point("One", "one.xhtml") + point("Two", "two.xhtml"))
BILLION_LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'


def encryption(algorithm: str | None) -> str:
    method = "" if algorithm is None else f'<enc:EncryptionMethod Algorithm="{algorithm}"/>'
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:enc="http://www.w3.org/2001/'
        f'04/xmlenc#"><enc:EncryptedData>{method}</enc:EncryptedData>'
        "</encryption>"
    )


def without(*names: str) -> dict[str, str | bytes]:
    return {name: content for name, content in MEMBERS.items() if name not in names}


def changed(name: str, old: str, new: str) -> dict[str, str | bytes]:
    content = MEMBERS[name]
    assert isinstance(content, str)
    assert old in content
    return {**MEMBERS, name: content.replace(old, new)}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (without("META-INF/container.xml"), "not an EPUB: it does not contain META-INF/container.xml"),
        ({**MEMBERS, "META-INF/container.xml": "<container/>"}, "does not name a package document"),
        (
            {**MEMBERS, "META-INF/container.xml": "<container>"},
            "is not well-formed XML: no element found at line 1",
        ),
        (without(OPF), "does not contain the file 'OEBPS/content.opf'"),
        ({**MEMBERS, OPF: "<package/>"}, "has no spine"),
        (without("OEBPS/two.xhtml"), "the file 'two.xhtml', which the EPUB does not contain"),
        (changed(OPF, 'idref="two', 'idref="x'), "the item 'x.xhtml', which its manifest does not contain"),
        (changed(OPF, 'href="two.xhtml', 'href="../../x'), "'../../x', which is outside the archive"),
        (changed(OPF, 'href="two.xhtml', 'href="/etc/passwd'), "'/etc/passwd', which is outside the archive"),
        (changed(OPF, 'href="two.xhtml', 'href="%2e%2e/%2e%2e/x'), "'../../x', which is outside the archive"),
        (
            changed(OPF, 'href="two.xhtml', 'href="https://x.org/'),
            "'https://x.org/', which the EPUB does not contain",
        ),
        (changed(OPF, "?>", f"?>{BILLION_LAUGHS}"), "declares an XML entity"),
        (members_of({**FILES, "toc.ncx": f"{BILLION_LAUGHS}<ncx/>"}), "'OEBPS/toc.ncx' in the EPUB declares"),
        (
            changed(OPF, "?>", ' encoding="x"?>'),
            "content.opf. in the EPUB has an encoding that is not supported",
        ),
        (members_of({**FILES, "nav.xhtml": nav('<li><a href="../../x">A</a></li>')}), "outside the archive"),
        ({**MEMBERS, "META-INF/rights.xml": "<rights/>"}, "DRM"),
        ({**MEMBERS, "META-INF/encryption.xml": encryption("http://x#aes128")}, "DRM"),
        ({**MEMBERS, "META-INF/encryption.xml": encryption(None)}, "DRM"),
        (
            {**MEMBERS, "OEBPS/one.xhtml": b"<p>caf\xe9</p>"},
            "is not UTF-8: .* at byte 6. Convert it to UTF-8",
        ),
        (
            {**MEMBERS, "OEBPS/one.xhtml": "<?xml version='1.0' encoding='punycode'?>"},
            "encoding 'punycode', which",
        ),
    ],
)
def test_an_error_says_what_is_wrong(members: dict[str, str | bytes], message: str) -> None:
    with pytest.raises(PollyInvalidRequestError, match=message):
        read_epub(archive(members))


def test_obfuscated_fonts_are_accepted() -> None:
    fonts = encryption("http://www.idpf.org/2008/embedding")
    assert len(read_epub(archive({**MEMBERS, "META-INF/encryption.xml": fonts})).chapters) == 2


@pytest.mark.parametrize("mimetype", [None, "application/zip", "application/epub+zip\n"])
def test_a_missing_or_wrong_mimetype_is_accepted(mimetype: str | None) -> None:
    members = without("mimetype") if mimetype is None else {**MEMBERS, "mimetype": mimetype}
    assert len(read_epub(archive(members)).chapters) == 2


@pytest.mark.parametrize("content", [b"", b"PK", b"%PDF-1.7", b"PK\x05\x06" + bytes(18)])
def test_what_is_not_an_epub_is_refused(content: bytes) -> None:
    with pytest.raises(PollyInvalidRequestError, match=r"not a zip archive|not an EPUB"):
        read_epub(content)


def test_a_password_is_refused() -> None:
    content = bytearray(epub(FILES))
    at = 0
    # In the central directory, the flags are at offset 8.
    while (at := content.find(b"PK\x01\x02", at + 1)) > 0:
        content[at + 8] |= 1
    with pytest.raises(PollyInvalidRequestError, match="encrypted with a password"):
        read_epub(bytes(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_methods_are_refused(method: int) -> None:
    with pytest.raises(PollyInvalidRequestError, match="a method that EPUBs cannot use"):
        read_epub(archive(MEMBERS, compression=method))


class TestLimits:
    def test_a_file_that_is_too_large_is_refused_while_it_is_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(epub_archive, "MAX_MEMBER_BYTES", 5000)
        large = {**FILES, "one.xhtml": page("<p>" + "a" * 5000)}
        with pytest.raises(PollyInvalidRequestError, match=r"too large at the file 'OEBPS/one.xhtml'"):
            read_epub(epub(large))

    def test_the_declared_size_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(epub_archive, "MAX_MEMBER_BYTES", 5000)
        content = bytearray(epub({**FILES, "one.xhtml": page("<p>" + "a" * 100_000)}))
        for signature, size_at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
            at = -1
            while (at := content.find(signature, at + 1)) >= 0:
                if struct.unpack_from("<I", content, at + size_at)[0] > 100_000:
                    struct.pack_into("<I", content, at + size_at, 10)
        # zipfile stops at the declared size, where the checksum is wrong.
        with pytest.raises(PollyInvalidRequestError, match=r"damaged|too large"):
            read_epub(bytes(content))

    def test_all_files_together_are_limited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(epub_archive, "MAX_TOTAL_BYTES", 8000)
        files = {f"{number}.xhtml": page("<p>" + "a" * 1000) for number in range(10)}
        with pytest.raises(PollyInvalidRequestError, match="all texts together 8,000"):
            read_epub(epub(files))

    def test_the_number_of_files_is_limited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(epub_archive, "MAX_MEMBERS", 4)
        with pytest.raises(PollyInvalidRequestError, match="contains 5 files; the maximum is 4"):
            read_epub(epub(FILES))

    def test_overlapping_files_are_refused(self) -> None:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as file:
            file.writestr("a", zlib.compress(bytes(10_000)))
            file.writestr("b", "b")
            file.filelist[1].header_offset = file.filelist[0].header_offset
        with pytest.raises(PollyInvalidRequestError, match="overlaps another file"):
            read_epub(target.getvalue())


DAMAGED = epub({**FILES, "toc.ncx": NCX, "nav.xhtml": nav('<li><a href="one.xhtml">One</a></li>')})
STORED = archive(members_of({**FILES, "toc.ncx": NCX}), compression=zipfile.ZIP_STORED)


@given(
    st.sampled_from((DAMAGED, STORED)),
    st.lists(st.tuples(st.integers(0, len(DAMAGED) - 1), st.integers(0, 7)), min_size=1, max_size=6),
    st.one_of(st.none(), st.integers(0, len(DAMAGED))),
)
@many
def test_a_damaged_epub_raises_only_the_error_for_invalid_requests(
    content: bytes, flips: list[tuple[int, int]], end: int | None
) -> None:
    damaged = bytearray(content)
    for at, bit in flips:
        damaged[at] ^= 1 << bit
    with contextlib.suppress(PollyInvalidRequestError):
        read_epub(bytes(damaged[:end]))


XML_PARTS = st.sampled_from(
    (
        *("<package>", "</package>", "<spine>", "</spine>", "<item id='a' href='one.xhtml'/>"),
        "<itemref idref='a'/>",
        *("<item id='a' href='one.xhtml' media-type='application/xhtml+xml'/>", "<metadata>"),
        *("</metadata>", "x"),
        *("<item properties='nav' href='one.xhtml'/>", "<dc:title>", "</dc:title>", "&amp;", "&x;"),
        *("<![CDATA[", "]]>"),
    )
)


@given(st.lists(XML_PARTS, max_size=20).map("".join))
@many
def test_a_random_package_document_raises_only_the_error_for_invalid_requests(inner: str) -> None:
    members = {**MEMBERS, OPF: f"<package>{inner}</package>"}
    with contextlib.suppress(PollyInvalidRequestError):
        read_epub(archive(members, compression=zipfile.ZIP_STORED))
