"""Reads ID3v2.4 tags with chapters, independently of the package."""

from __future__ import annotations

from dataclasses import dataclass, field


def size_of(data: bytes) -> int:
    assert max(data) < 0x80
    return data[0] << 21 | data[1] << 14 | data[2] << 7 | data[3]


@dataclass
class Entry:
    """A CHAP or CTOC frame."""

    title: str | None = None
    times: tuple[int, int] | None = None
    offsets: bytes = b""
    is_top_level: bool = False
    is_ordered: bool = False
    children: list[str] = field(default_factory=list)


@dataclass
class Tag:
    """A tag, and the audio after it."""

    texts: dict[str, str]
    entries: dict[str, Entry]
    audio: bytes

    def tree(self, name: str | None = None) -> list[object]:
        """Return the table of contents: titles, and for each table its title and a list."""
        if name is None:
            tops = [each for each, entry in self.entries.items() if entry.is_top_level]
            assert len(tops) == 1
            name = tops[0]
        made: list[object] = []
        for child in self.entries[name].children:
            entry = self.entries[child]
            made.append(entry.title if entry.times else (entry.title, self.tree(child)))
        return made


def frames_of(data: bytes) -> list[tuple[str, bytes]]:
    found, at = [], 0
    while at < len(data):
        size = size_of(data[at + 4 : at + 8])
        assert data[at + 8 : at + 10] == bytes(2)
        content = data[at + 10 : at + 10 + size]
        assert len(content) == size
        found.append((data[at : at + 4].decode("ascii"), content))
        at += 10 + size
    return found


def text_of(content: bytes) -> str:
    assert content[0] == 3
    return content[1:].decode()


def read_tag(data: bytes) -> Tag:
    assert data[:6] == b"ID3\x04\x00\x00"
    size = size_of(data[6:10])
    tag = Tag({}, {}, data[10 + size :])
    for kind, content in frames_of(data[10 : 10 + size]):
        if kind not in ("CHAP", "CTOC"):
            assert kind not in tag.texts
            tag.texts[kind] = text_of(content)
            continue
        name, rest = content.split(b"\x00", 1)
        assert name.decode("ascii") not in tag.entries
        entry = tag.entries[name.decode("ascii")] = Entry()
        if kind == "CHAP":
            entry.times = int.from_bytes(rest[:4], "big"), int.from_bytes(rest[4:8], "big")
            entry.offsets, rest = rest[8:16], rest[16:]
        else:
            flags, count, rest = rest[0], rest[1], rest[2:]
            entry.is_top_level, entry.is_ordered = bool(flags & 2), bool(flags & 1)
            for _ in range(count):
                child, rest = rest.split(b"\x00", 1)
                entry.children.append(child.decode("ascii"))
        for inner, value in frames_of(rest):
            assert (inner, entry.title) == ("TIT2", None)
            entry.title = text_of(value)
    return tag
