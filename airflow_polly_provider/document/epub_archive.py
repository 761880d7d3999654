"""Reads the files in an EPUB, within limits that are enforced while reading."""

from __future__ import annotations

import io
import posixpath
import re
import struct
import zipfile
import zlib
from urllib.parse import unquote

from airflow_polly_provider.exceptions import PollyInvalidRequestError

MAX_MEMBERS = 10_000
"""Maximum number of files in an EPUB."""

MAX_MEMBER_BYTES = 32 * 1024 * 1024
"""Maximum decompressed size of a file that is read, in bytes. Images and fonts are not read."""

MAX_TOTAL_BYTES = 128 * 1024 * 1024
"""Maximum decompressed size of all files that are read, in bytes."""

_ENCRYPTED = 0x1
# zipfile decompresses the other methods without a limit, however few bytes are requested.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_LOCAL_HEADER_BYTES = 30
# What zipfile raises for damaged archives, on the supported versions of Python.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, IndexError),
    *(NotImplementedError, OSError, OverflowError, RuntimeError, ValueError),
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


class EpubArchive:
    """The files in an EPUB.

    :param content: the EPUB
    :raises PollyInvalidRequestError: the content is not a zip archive, has too many files, or has files that
        overlap
    """

    def __init__(self, content: bytes) -> None:
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
            members = self._archive.infolist()
        except _DAMAGED as error:
            raise PollyInvalidRequestError(
                "The EPUB is not a zip archive, or is damaged. Check that the file is an EPUB, and that it "
                "was copied completely."
            ) from error
        if len(members) > MAX_MEMBERS:
            raise PollyInvalidRequestError(
                f"The EPUB contains {len(members):,} files; the maximum is {MAX_MEMBERS:,}. Split the book."
            )
        _validate_separate(members)
        self._members = {member.filename: member for member in members if not member.is_dir()}
        self._remaining = MAX_TOTAL_BYTES

    def __contains__(self, path: str) -> bool:
        """Return whether the EPUB contains a file."""
        return path in self._members

    def read(self, path: str) -> bytes:
        """Return the content of a file.

        :param path: path in the archive
        :raises PollyInvalidRequestError: the file is missing, encrypted, damaged or too large
        """
        member = self._members.get(path)
        if member is None:
            raise PollyInvalidRequestError(
                f"The EPUB does not contain the file {path!r:.200}, to which it refers. Create the EPUB "
                "again."
            )
        if member.flag_bits & _ENCRYPTED:
            raise PollyInvalidRequestError(
                f"The file {path!r:.200} in the EPUB is encrypted with a password. Use an EPUB without a "
                "password."
            )
        if member.compress_type not in _METHODS:
            raise PollyInvalidRequestError(
                f"The file {path!r:.200} in the EPUB is compressed with a method that EPUBs cannot use. "
                "Create the EPUB again."
            )
        limit = min(MAX_MEMBER_BYTES, self._remaining)
        try:
            with self._archive.open(member) as file:
                data = file.read(limit + 1)
        except _DAMAGED as error:
            raise PollyInvalidRequestError(
                f"The file {path!r:.200} in the EPUB is damaged. Copy or create it again."
            ) from error
        if len(data) > limit:
            raise PollyInvalidRequestError(
                f"The EPUB is too large at the file {path!r:.200}: a file may have {MAX_MEMBER_BYTES:,} "
                f"bytes after decompression, and all texts together {MAX_TOTAL_BYTES:,}. Split the book."
            )
        self._remaining -= len(data)
        return data

    def find(self, folder: str, reference: str) -> tuple[str, str] | None:
        """Return the path and the fragment to which a reference points; None if it points to the network.

        :param folder: the folder of the file with the reference
        :param reference: the value of an ``href`` or ``src``
        :raises PollyInvalidRequestError: the path is outside the archive
        """
        if _SCHEME.match(reference):
            return None
        address, _, fragment = reference.partition("#")
        address = address.partition("?")[0]
        paths = [_path(folder, unquote(address)), _path(folder, address)]
        # Some programs write the name of a file into the archive as it is in the reference.
        path = next((path for path in paths if path in self), paths[0])
        return path, unquote(fragment)


def _path(folder: str, address: str) -> str:
    path = posixpath.normpath(posixpath.join(folder, address))
    if path.startswith(("/", "../")) or path == "..":
        raise PollyInvalidRequestError(
            f"The EPUB refers to {address!r:.200}, which is outside the archive. Correct the reference."
        )
    return path


def _validate_separate(members: list[zipfile.ZipInfo]) -> None:
    """Raise an error if files share bytes: then a small archive can have a very large content."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise PollyInvalidRequestError(
                f"The file {member.filename!r:.200} in the EPUB overlaps another file. Create the EPUB again."
            )
        end = member.header_offset + _LOCAL_HEADER_BYTES + member.compress_size
