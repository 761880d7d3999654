"""Downloads a novel that is in the public domain: *Pride and Prejudice* by Jane Austen.

The text comes from the Debian package ``r-cran-janeaustenr``, which contains six of Jane Austen's novels as
data of the R language. The package is downloaded, not installed.
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "r-cran-janeaustenr"
TITLE = "Pride and Prejudice"
AUTHOR = "Jane Austen"

_DATA = Path("usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
_FIRST_LINE = "PRIDE AND PREJUDICE"
_SECONDS = 300
# The types of R's serialized objects: a vector of strings, and one string.
_STRINGS = b"\x00\x00\x00\x10"
_STRING = 9


class NoNovelError(RuntimeError):
    """The package could not be downloaded, or it has another form."""


def novel(folder: Path) -> Path:
    """Return the path of the novel as a Markdown file. Download it if it does not exist.

    :param folder: the folder for the file
    :raises NoNovelError: the package cannot be downloaded on this machine
    """
    path = folder / "pride-and-prejudice.md"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        data = _downloaded(Path(temporary))
    for lines in _novels(data):
        if lines[:1] == [_FIRST_LINE]:
            path.write_text(_markdown(lines))
            return path
    raise NoNovelError(f"The package {PACKAGE} does not contain {TITLE}.")


def _downloaded(folder: Path) -> bytes:
    try:
        subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=folder, timeout=_SECONDS, check=True)
        (package,) = folder.glob(f"{PACKAGE}*.deb")
        subprocess.run(["dpkg-deb", "--extract", package, folder], timeout=_SECONDS, check=True)
        return (folder / _DATA).read_bytes()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise NoNovelError(
            f"The Debian package {PACKAGE} could not be downloaded ({error}). Run `apt-get update`, or give "
            "another document with --book."
        ) from error


def _novels(data: bytes) -> Iterator[list[str]]:
    """Yield the lines of each novel in R's database: compressed objects that follow each other."""
    at = 0
    while at < len(data):
        at += 4  # the size of the object
        decompressor = zlib.decompressobj()
        content = decompressor.decompress(data[at:])
        at = len(data) - len(decompressor.unused_data)
        yield _strings(content)


def _strings(content: bytes) -> list[str]:
    """Return the strings of a serialized vector."""
    at = content.index(_STRINGS) + 4
    (count,) = struct.unpack_from(">I", content, at)
    at += 4
    strings = []
    for _ in range(count):
        flags, size = struct.unpack_from(">Ii", content, at)
        if flags & 0xFF != _STRING:
            raise NoNovelError(f"The data of {PACKAGE} has another form than this script reads.")
        at += 8
        strings.append(content[at : at + max(size, 0)].decode())
        at += max(size, 0)
    return strings


def _markdown(lines: list[str]) -> str:
    """Return a novel with its title in front matter, and a heading for each chapter."""
    front_matter = f'---\ntitle: "{TITLE}"\nauthor: "{AUTHOR}"\nlanguage: en-GB\n---\n\n'
    text = "\n".join(lines)
    paragraphs = re.split(r"\n{2,}", text[text.index("Chapter 1") :].strip())
    marked = [f"# {each}" if re.fullmatch(r"Chapter \d+", each) else each for each in paragraphs]
    return front_matter + "\n\n".join(marked) + "\n"
