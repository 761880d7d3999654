"""The mp3 reader with damaged and hostile files: it raises no error, and its time is linear."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import soundfile

from airflow_polly_provider.audio.duration import audio_duration, seconds_of_object
from airflow_polly_provider.audio.mp3 import Mp3Reader
from airflow_polly_provider.emulator.speech.encoding import open_encoder
from tests.unit.audio import mp3_parts as parts
from tests.unit.audio.steps import steps_of

if TYPE_CHECKING:
    from pathlib import Path

FILES = 20_000
LARGEST_FRAME = 1441  # MPEG-1, 320 kbit/s at 32,000 Hz, with a padding byte
FEWEST_BYTES_PER_SECOND = 1000  # 8 kbit/s
INTERESTING = (
    b"\xff",
    b"\xff\xf3",
    b"\xff\xfb\x90\xc4",
    b"ID3",
    b"TAG",
    b"Xing\x00\x00\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff",
    b"VBRI",
    parts.id3v2(b"", size=(1 << 28) - 1),
    parts.id3v2(b"\xff\xf3" * 9, flags=0x10),
    parts.id3v1(),
    parts.header(8000, 160),
    parts.header(24000, 8),
    b"\xff\xf3\x04\xc4",
    bytes(40),
)


def encoded(path: Path, rate: int) -> list[bytes]:
    """Return two short files by encoders: one in Polly's form and one with a Xing header."""
    encoder = open_encoder(path, "mp3", rate)
    encoder.close()
    polly = path.read_bytes()
    form = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE"}
    with soundfile.SoundFile(path, "w", samplerate=rate, channels=1, **form) as file:
        file.write([0.1, -0.1] * (rate // 20))
    # Short files make a fast test.
    return [polly[:900], path.read_bytes()[:1200]]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("mp3") / "original.mp3"
    made = [file for rate in (8000, 24000, 48000) for file in encoded(path, rate)]
    made += [parts.POLLYS_TAG + parts.frames(rate, 20, 8) + parts.id3v1() for rate in (22050, 24000)]
    made.append(parts.id3v2(b"\xff\xf3\x14\xc4" * 20, major=3) + parts.frames(24000, 20, 8))
    made.append(
        parts.id3v2(b"", flags=0x10) + parts.vbri(16000, frames=9, size=999) + parts.frames(16000, 9, 8)
    )
    made.append(b"".join(parts.frame(24000, kilobits) for kilobits in (8, 48, 16, 32, 8, 8)))
    return made


def mutated(original: bytes, others: list[bytes], chance: random.Random) -> bytes:
    data = bytearray(original)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        match chance.randrange(8):
            case 0:
                del data[at : min(end, at + 200)]
            case 1:
                data[at:at] = chance.choice(INTERESTING)
            case 2:
                insert = chance.choice(INTERESTING)
                data[at : at + len(insert)] = insert
            case 3:
                data[at:end] = data[at : at + 100]
            case 4:
                data[at:at] = chance.choice(others)[:300]
            case 5:
                del data[end:]
            case 6:
                data[at : at + 4] = chance.randbytes(4)
            case _ if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case _:
                data += chance.randbytes(20)
    return bytes(data)


def read_in_chunks(data: bytes, chance: random.Random) -> tuple[Mp3Reader, list[bytes]]:
    reader = Mp3Reader()
    found: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + chance.choice((1, 5, 60, 300, 2000))
        found += [frame.data for frame in reader.feed(data[at:end])]
        assert reader.pending_bytes <= LARGEST_FRAME + 4
        at = end
    return reader, found


def test_20000_damaged_files_raise_no_error_and_every_byte_is_counted_once(originals: list[bytes]) -> None:
    chance = random.Random(20_000)
    whole_files = damaged_files = 0
    for number in range(FILES):
        data = mutated(originals[number % len(originals)], originals, chance)
        reader, found = read_in_chunks(data, chance)
        counted = sum(map(len, found)) + reader.tag_bytes + reader.lost_bytes + reader.pending_bytes
        assert counted == len(data), data
        # The size of the chunks does not matter.
        assert [frame.data for frame in Mp3Reader().feed(data)] == found, data
        size = len(data) + chance.choice((0, 1, 100_000))
        seconds = seconds_of_object("mp3", None, size, data)
        assert seconds is None or 0 < seconds <= size / FEWEST_BYTES_PER_SECOND, data
        whole_files += seconds is not None
        damaged_files += seconds is None
    # Both results were tested.
    assert min(whole_files, damaged_files) > FILES // 20


def repeated(part: bytes, size: int) -> bytes:
    return (part * (size // len(part) + 1))[:size]


HOSTILE = {
    "sync bytes": b"\xff",
    "headers without frames": parts.header(24000),
    "headers at each third byte": b"\xff\xf3\x64",
    "headers of two rates": parts.header(24000) + parts.header(22050),
    "the largest frame, and nothing": parts.header(32000, 320),
    "free format": b"\xff\xf3\x04\xc4",
    "half headers": b"\xff\xf3",
    "empty tags": parts.id3v2(b""),
    "names of tags": b"ID3",
    "names of tags at the end": b"TAG",
    "tags that state too many bytes": b"\x00" + parts.id3v2(b"", size=(1 << 28) - 1),
    "tags that are none": b"ID3\x04\x00\x00\xff\xff\xff\xff",
    "one frame, then junk": parts.frame(24000, 8) + b"\x00",
    "smallest frames": parts.frame(24000, 8),
    "summaries": parts.id3v2(b"") + parts.xing(24000, frames=1, size=1),
    "zeros": b"\x00",
}


@pytest.mark.parametrize("chunk", [1, 1000, 1 << 20])
@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
def test_the_number_of_steps_is_proportional_to_the_number_of_bytes(part: bytes, chunk: int) -> None:
    def feed(size: int) -> None:
        data = repeated(part, size)
        duration = audio_duration("mp3")
        for at in range(0, size, chunk):
            duration.feed(data[at : at + chunk])
        assert duration.seconds <= size / FEWEST_BYTES_PER_SECOND

    few, many = steps_of(lambda: feed(10_000)), steps_of(lambda: feed(40_000))
    assert many <= 4.2 * few + 100
    assert many <= 40 * 40_000


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
def test_the_reader_keeps_less_than_two_frames(part: bytes) -> None:
    reader = Mp3Reader()
    data = repeated(part, 20_000)
    for at in range(0, len(data), 100):
        reader.feed(data[at : at + 100])
        assert reader.pending_bytes <= LARGEST_FRAME + 4
