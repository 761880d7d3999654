"""Makes parts of mp3 files: frames without sound, tags, and the summaries that encoders write."""

from __future__ import annotations

POLLYS_TAG = bytes.fromhex("49443304000000000023545353450000000f0000034c61766635382e34352e31303000") + bytes(
    10
)
MPEG1, MPEG2, MPEG2_5 = 3, 2, 0
BIT_RATES = {
    MPEG1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    MPEG2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    MPEG2_5: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
SAMPLE_RATES = {MPEG1: (44100, 48000, 32000), MPEG2: (22050, 24000, 16000), MPEG2_5: (11025, 12000, 8000)}
MONO, STEREO = 3, 0
# The bytes of side information, which follow a header of 4 bytes.
SIDE = {(MPEG1, MONO): 17, (MPEG1, STEREO): 32, (MPEG2, MONO): 9, (MPEG2, STEREO): 17}


def version_of(rate: int) -> int:
    return next(version for version, rates in SAMPLE_RATES.items() if rate in rates)


def samples_of(rate: int) -> int:
    return 1152 if version_of(rate) == MPEG1 else 576


def header(
    rate: int, kilobits: int = 48, *, padding: int = 0, mode: int = MONO, has_checksum: bool = False
) -> bytes:
    version = version_of(rate)
    bit_rate = BIT_RATES[version].index(kilobits)
    second = 0xE0 | version << 3 | 1 << 1 | (not has_checksum)
    third = bit_rate << 4 | SAMPLE_RATES[version].index(rate) << 2 | padding << 1
    return bytes([0xFF, second, third, mode << 6 | 4])


def frame(
    rate: int,
    kilobits: int = 48,
    content: bytes = b"",
    *,
    padding: int = 0,
    mode: int = MONO,
    has_checksum: bool = False,
) -> bytes:
    """Return a frame whose header is followed by ``content`` and zeros."""
    size = samples_of(rate) // 8 * kilobits * 1000 // rate + padding
    start = header(rate, kilobits, padding=padding, mode=mode, has_checksum=has_checksum) + content
    return start + bytes(size - len(start))


def frames(rate: int, count: int, kilobits: int = 48) -> bytes:
    """Return frames of a constant bit rate: some have a padding byte, as LAME writes them."""
    bytes_per_frame = samples_of(rate) // 8 * kilobits * 1000
    made = b""
    for index in range(1, count + 1):
        whole = len(made) + bytes_per_frame // rate
        made += frame(rate, kilobits, padding=int(whole < bytes_per_frame * index // rate))
    return made


def xing(
    rate: int,
    *,
    frames: int | None,
    size: int | None,
    name: bytes = b"Xing",
    mode: int = MONO,
    has_checksum: bool = False,
) -> bytes:
    flags = (frames is not None) | (size is not None) << 1
    numbers = b"".join(number.to_bytes(4, "big") for number in (flags, frames, size) if number is not None)
    version = MPEG1 if version_of(rate) == MPEG1 else MPEG2
    content = bytes(SIDE[version, mode] + 2 * has_checksum) + name + numbers
    return frame(rate, 64, content, mode=mode, has_checksum=has_checksum)


def vbri(rate: int, *, frames: int, size: int) -> bytes:
    content = bytes(32) + b"VBRI" + bytes(6) + size.to_bytes(4, "big") + frames.to_bytes(4, "big")
    return frame(rate, 64, content)


def id3v2(content: bytes, *, major: int = 4, flags: int = 0, size: int | None = None) -> bytes:
    """Return an ID3v2 tag.

    :param size: the size that the tag states, instead of its content's size
    """
    size = len(content) if size is None else size
    synchsafe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    numbers = bytes([major, 0, flags]) + synchsafe
    return b"ID3" + numbers + content + (b"3DI" + numbers if flags & 0x10 else b"")


def id3v1() -> bytes:
    return b"TAG" + b"A title".ljust(125, b"\x00")
