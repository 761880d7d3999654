from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from airflow_polly_provider.audio.mp3 import FrameHeader, Mp3Reader, Summary, parse_header
from tests.unit.audio import mp3_parts as parts

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_polly_provider.audio.mp3 import Frame

RATES = [rate for rates in parts.SAMPLE_RATES.values() for rate in rates]
ALL_RATES = pytest.mark.parametrize("rate", RATES)
ALL_CHUNKS = pytest.mark.parametrize("chunk", [1, 7, 1000, 1 << 20])
# Each of these bytes looks like the beginning of a frame. Only the first is none.
LOOKS_LIKE_FRAMES = b"\xff\xf3\xff\xf3\x44\xc4" + parts.header(24000) * 30


def read(data: bytes, chunk: int = 1 << 20) -> tuple[Mp3Reader, list[Frame]]:
    reader = Mp3Reader()
    found = [frame for at in range(0, len(data), chunk) for frame in reader.feed(data[at : at + chunk])]
    return reader, found


def joined(found: list[Frame]) -> bytes:
    return b"".join(frame.data for frame in found)


class TestParseHeader:
    @pytest.mark.parametrize(
        ("rate", "kilobits"),
        [(rate, each) for rate in RATES for each in parts.BIT_RATES[parts.version_of(rate)][1:]],
    )
    def test_returns_rates_and_size_for_each_version_and_bit_rate(self, rate: int, kilobits: int) -> None:
        samples = parts.samples_of(rate)
        size = samples * kilobits * 1000 // 8 // rate
        found = parse_header(parts.header(rate, kilobits))
        assert found == FrameHeader(rate, kilobits * 1000, 1, samples, size)
        padded = parse_header(parts.header(rate, kilobits, padding=1))
        assert padded is not None
        assert padded.size == size + 1

    @pytest.mark.parametrize(("mode", "channels"), [(0, 2), (1, 2), (2, 2), (3, 1)])
    def test_returns_the_number_of_channels(self, mode: int, channels: int) -> None:
        found = parse_header(parts.header(24000, mode=mode))
        assert found is not None
        assert found.channels == channels

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"\xff\xd3\x64\xc4", id="no sync"),
            pytest.param(b"\xfe\xf3\x64\xc4", id="no first byte of the sync"),
            pytest.param(b"\xff\xeb\x64\xc4", id="reserved version"),
            pytest.param(b"\xff\xf1\x64\xc4", id="reserved layer"),
            pytest.param(b"\xff\xf5\x64\xc4", id="layer II"),
            pytest.param(b"\xff\xf7\x64\xc4", id="layer I"),
            pytest.param(b"\xff\xf3\x04\xc4", id="free format"),
            pytest.param(b"\xff\xf3\xf4\xc4", id="bit rate 15"),
            pytest.param(b"\xff\xf3\x6c\xc4", id="reserved sample rate"),
            pytest.param(b"\xff\xf3\x64", id="three bytes"),
            pytest.param(b"", id="nothing"),
        ],
    )
    def test_returns_none_for_anything_else(self, data: bytes) -> None:
        assert parse_header(data) is None


class TestPollysForm:
    @ALL_RATES
    @ALL_CHUNKS
    def test_is_split_into_a_tag_and_frames(self, rate: int, chunk: int) -> None:
        sound = parts.frames(rate, 50)
        reader, found = read(parts.POLLYS_TAG + sound, chunk)
        assert len(found) == 50
        assert joined(found) == sound
        assert {frame.header.sample_rate for frame in found} == {rate}
        assert (reader.tag_bytes, reader.lost_bytes, reader.pending_bytes) == (45, 0, 0)
        assert reader.summary is None

    def test_joins_with_other_files_by_their_frames(self) -> None:
        pieces = [parts.frames(24000, count) for count in (3, 4)]
        found = [read(parts.POLLYS_TAG + piece + parts.id3v1())[1] for piece in pieces]
        assert joined(found[0] + found[1]) == pieces[0] + pieces[1]

    @pytest.mark.parametrize("cut", range(1, 144, 13))
    def test_without_its_end_lacks_only_the_incomplete_frame(self, cut: int) -> None:
        reader, found = read(parts.POLLYS_TAG + parts.frames(24000, 10)[:-cut], 100)
        assert len(found) == 9
        assert (reader.lost_bytes, reader.pending_bytes) == (0, 144 - cut)


class TestTags:
    @ALL_CHUNKS
    @pytest.mark.parametrize("major", [2, 3, 4])
    @pytest.mark.parametrize("length", [0, 100, 127, 128, 5000, 70000])
    def test_at_the_start_are_dropped(self, major: int, length: int, chunk: int) -> None:
        tag = parts.id3v2((LOOKS_LIKE_FRAMES * (length // len(LOOKS_LIKE_FRAMES) + 1))[:length], major=major)
        sound = parts.frames(22050, 5)
        reader, found = read(tag + sound, chunk)
        assert joined(found) == sound
        assert (reader.tag_bytes, reader.lost_bytes) == (len(tag), 0)

    @ALL_CHUNKS
    def test_with_a_footer_are_dropped_with_it(self, chunk: int) -> None:
        tag = parts.id3v2(b"\xff\xf3" * 50, flags=0x10)
        assert tag[-10:-7] == b"3DI"
        sound = parts.frames(22050, 5)
        reader, found = read(tag + sound, chunk)
        assert joined(found) == sound
        assert (reader.tag_bytes, reader.lost_bytes) == (120, 0)

    def test_before_version_4_have_no_footer(self) -> None:
        sound = parts.frames(22050, 5)
        reader, found = read(parts.id3v2(b"", major=3, flags=0)[:5] + b"\x10" + bytes(4) + sound)
        assert joined(found) == sound
        assert reader.tag_bytes == 10

    @ALL_CHUNKS
    def test_of_version_1_at_the_end_are_dropped(self, chunk: int) -> None:
        sound = parts.frames(16000, 5)
        reader, found = read(parts.POLLYS_TAG + sound + parts.id3v1(), chunk)
        assert joined(found) == sound
        assert (reader.tag_bytes, reader.lost_bytes, reader.pending_bytes) == (45 + 128, 0, 0)

    @ALL_CHUNKS
    def test_between_joined_files_are_dropped(self, chunk: int) -> None:
        piece = parts.frames(16000, 5)
        file = parts.id3v2(b"one") + parts.id3v2(b"two", major=3) + piece + parts.id3v1()
        reader, found = read(file * 3, chunk)
        assert joined(found) == piece * 3
        assert reader.lost_bytes == 0

    @pytest.mark.parametrize(
        "tag",
        [
            pytest.param(b"ID3\x04\x00\x00\x80\x00\x00\x00", id="size that is not synchsafe"),
            pytest.param(b"ID3\xff\x00\x00\x00\x00\x00\x00", id="no version"),
            pytest.param(b"ID3\x04\xff\x00\x00\x00\x00\x00", id="no revision"),
            pytest.param(b"ID4\x04\x00\x00\x00\x00\x00\x00", id="other name"),
            pytest.param(b"TAK" + bytes(125), id="other name at the end"),
        ],
    )
    def test_that_are_none_are_lost_bytes(self, tag: bytes) -> None:
        sound = parts.frames(22050, 5)
        reader, found = read(tag + sound, 3)
        assert joined(found) == sound
        assert (reader.tag_bytes, reader.lost_bytes) == (0, len(tag))

    def test_may_have_megabytes(self) -> None:
        tag = parts.id3v2(LOOKS_LIKE_FRAMES * 20_000)
        assert len(tag) > 1 << 21
        sound = parts.frames(22050, 5)
        reader, found = read(tag + sound)
        assert joined(found) == sound
        assert reader.tag_bytes == len(tag)

    @pytest.mark.parametrize("size", [2000, (1 << 28) - 1])
    def test_that_state_more_bytes_than_the_file_has_leave_no_frame(self, size: int) -> None:
        data = parts.id3v2(b"", size=size) + parts.frames(22050, 5)
        reader, found = read(data)
        assert found == []
        assert (reader.tag_bytes, reader.pending_bytes) == (len(data), 0)

    def test_cut_inside_their_header_leave_no_frame(self) -> None:
        reader, found = read(parts.POLLYS_TAG[:7], 1)
        assert found == []
        assert reader.pending_bytes == 7


class TestSummaries:
    @ALL_CHUNKS
    @pytest.mark.parametrize("name", [b"Xing", b"Info"])
    @pytest.mark.parametrize("mode", [parts.MONO, parts.STEREO])
    @pytest.mark.parametrize("has_checksum", [False, True])
    @pytest.mark.parametrize("rate", [8000, 24000, 44100])
    def test_of_xing_and_lame_are_read_and_dropped(
        self, rate: int, has_checksum: bool, mode: int, name: bytes, chunk: int
    ) -> None:
        first = parts.xing(rate, frames=70_000, size=123_456, name=name, mode=mode, has_checksum=has_checksum)
        sound = parts.frames(rate, 5)
        reader, found = read(parts.id3v2(b"x" * 300, major=3) + first + sound, chunk)
        assert reader.summary == Summary(70_000, 123_456)
        assert joined(found) == sound
        assert (reader.tag_bytes, reader.lost_bytes) == (310 + len(first), 0)

    @pytest.mark.parametrize(("frames", "size"), [(None, None), (7, None), (None, 9)])
    def test_may_lack_numbers(self, frames: int | None, size: int | None) -> None:
        reader, _ = read(parts.xing(24000, frames=frames, size=size))
        assert reader.summary == Summary(frames, size)

    @ALL_CHUNKS
    @pytest.mark.parametrize("rate", [8000, 24000, 44100])
    def test_of_fraunhofer_are_read_and_dropped(self, rate: int, chunk: int) -> None:
        sound = parts.frames(rate, 5)
        reader, found = read(parts.vbri(rate, frames=70_000, size=123_456) + sound, chunk)
        assert reader.summary == Summary(70_000, 123_456)
        assert joined(found) == sound

    def test_are_not_looked_for_in_later_frames(self) -> None:
        later = parts.xing(24000, frames=1, size=1)
        reader, found = read(parts.frames(24000, 1) + later)
        assert reader.summary is None
        assert found[1].data == later

    def test_of_joined_files_are_all_dropped_and_the_first_is_kept(self) -> None:
        sound = parts.frames(24000, 2)
        files = [parts.POLLYS_TAG + parts.xing(24000, frames=count, size=None) + sound for count in (2, 3)]
        reader, found = read(b"".join(files))
        assert reader.summary == Summary(2, None)
        assert joined(found) == sound * 2

    @pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
    @pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_of_files_by_libsndfile_count_their_frames_and_bytes(
        self, tmp_path: Path, rate: int, mode: str, channels: int
    ) -> None:
        path = tmp_path / "lame.mp3"
        form = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": mode, "compression_level": 0.3}
        with soundfile.SoundFile(path, "w", samplerate=rate, channels=channels, **form) as file:
            file.write(np.random.default_rng(1).uniform(-0.3, 0.3, (rate * 2, channels)))
        data = path.read_bytes()
        reader, found = read(data, 999)
        assert reader.summary == Summary(len(found), len(data))
        assert {frame.header.channels for frame in found} == {channels}
        assert (reader.lost_bytes, reader.pending_bytes) == (0, 0)
        if mode == "VARIABLE":
            assert len({frame.header.bit_rate for frame in found}) > 1


class TestDamagedFiles:
    @ALL_CHUNKS
    @pytest.mark.parametrize(
        "junk",
        [
            pytest.param(bytes(500), id="zeros"),
            pytest.param(b"\xff" * 500, id="all ones"),
            pytest.param(b"\xff\xf3" * 250, id="half headers"),
            pytest.param(b"\xff\xf3\x04\xc4" * 100, id="free format"),
            pytest.param(parts.header(24000), id="a header without its frame"),
            pytest.param(parts.header(24000, 160) + bytes(6), id="a header that states too many bytes"),
            pytest.param(b"\x00" + parts.header(44100) * 40, id="headers of another rate"),
        ],
    )
    def test_are_read_again_from_the_next_two_frames(self, junk: bytes, chunk: int) -> None:
        sound = parts.frames(22050, 30)
        # Frames beside the junk may be missing, because a header in the junk states too many bytes.
        reader, found = read(sound + b"\x00" + junk + sound, chunk)
        assert sound.startswith(found[0].data)
        at_22050 = [frame for frame in found if frame.header.sample_rate == 22050]
        assert len(at_22050) in (57, 58, 59, 60)
        assert joined(at_22050[-20:]) == joined(read(sound)[1][-20:])
        assert reader.lost_bytes > 0

    @ALL_CHUNKS
    @pytest.mark.parametrize("after", [b"\x00" * 4, parts.header(24000)])
    def test_are_not_read_from_a_single_header(self, after: bytes, chunk: int) -> None:
        junk = b"\x00" + parts.frame(22050) + after
        sound = parts.frames(22050, 5)
        reader, found = read(junk + sound, chunk)
        assert joined(found) == sound
        assert reader.lost_bytes == len(junk)

    def test_with_mixed_rates_keep_the_rate_of_each_frame(self) -> None:
        rates = [24000, 22050, 44100]
        _, found = read(b"".join(parts.frames(rate, 2) for rate in rates))
        assert [frame.header.sample_rate for frame in found] == list(
            itertools.chain.from_iterable([rate, rate] for rate in rates)
        )

    @pytest.mark.parametrize(
        "data", [b"", b"\xff", b"RIFF" + bytes(2000), b"OggS" + bytes(2000), b'{"time":6}\n']
    )
    def test_of_other_formats_have_no_frame(self, data: bytes) -> None:
        reader, found = read(data)
        assert found == []
        assert reader.lost_bytes + reader.pending_bytes == len(data)
