"""Joining of mp3 files: what is kept, what is dropped, and what is an error."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]  # it ships no types

from airflow_polly_provider.audio.joining import joiner_of
from airflow_polly_provider.audio.mp3 import Mp3Reader
from airflow_polly_provider.audio.mp3_joining import Mp3Joiner
from airflow_polly_provider.audio.pieces import DamagedPieceError, MixedPiecesError, PieceAudio
from airflow_polly_provider.emulator.speech.encoding import open_encoder
from tests.unit.audio import mp3_parts as parts
from tests.unit.audio.examples import EXAMPLES
from tests.unit.audio.steps import steps_of

if TYPE_CHECKING:
    from pathlib import Path

    Samples = np.ndarray[tuple[int], np.dtype[np.int16]]

RATES = [rate for rates in parts.SAMPLE_RATES.values() for rate in rates]
ALL_RATES = pytest.mark.parametrize("rate", RATES)
ALL_CHUNKS = pytest.mark.parametrize("chunk", [1, 7, 1000, 1 << 20])
LARGEST_FRAME = 1441  # MPEG-1, 320 kbit/s at 32,000 Hz, with a padding byte


def ape(content: bytes, *, is_header: bool = True) -> bytes:
    """Return an APE tag with a header and a footer."""
    numbers = (2000).to_bytes(4, "little") + (len(content) + 32).to_bytes(4, "little") + bytes(4)
    ends = [
        b"APETAGEX" + numbers + (flags << 29).to_bytes(4, "little") + bytes(8)
        for flags in (0b101 if is_header else 0b100, 0b100)
    ]
    return ends[0] + content + ends[1]


def join(
    joiner: Mp3Joiner, data: bytes, chunk: int = 1 << 20, name: str = "a piece"
) -> tuple[bytes, PieceAudio]:
    joiner.begin_piece(name)
    joined = b"".join(joiner.feed(data[at : at + chunk]) for at in range(0, len(data), chunk))
    audio = joiner.end_piece()
    assert audio.size == len(joined)
    return joined, audio


class TestPollysForm:
    @ALL_RATES
    @ALL_CHUNKS
    def test_is_joined_by_its_frames(self, rate: int, chunk: int) -> None:
        joiner = Mp3Joiner(sample_rate=rate)
        for count in (1, 2, 50, 51):
            sound = parts.frames(rate, count)
            joined, audio = join(joiner, parts.POLLYS_TAG + sound, chunk)
            assert joined == sound
            assert audio == PieceAudio(len(sound), count * parts.samples_of(rate))
        assert joiner.sample_rate == rate

    @ALL_RATES
    @pytest.mark.parametrize("kilobits", [32, 48, 64, 160])
    @pytest.mark.parametrize("padding", [0, 1])
    def test_frames_are_counted_with_any_number_of_padding_bytes(
        self, rate: int, kilobits: int, padding: int
    ) -> None:
        frame = parts.frame(rate, kilobits, padding=padding)
        other = parts.frame(rate, kilobits, padding=1 - padding)
        sound = frame * 1500 + other * 7 + frame
        joined, audio = join(Mp3Joiner(), sound)
        assert joined == sound
        assert audio.samples == 1508 * parts.samples_of(rate)

    @pytest.mark.parametrize("mode", range(4))
    @pytest.mark.parametrize("has_checksum", [False, True])
    def test_of_any_channel_mode_is_joined(self, mode: int, has_checksum: bool) -> None:
        sound = parts.frame(44100, 128, mode=mode, has_checksum=has_checksum) * 9
        assert join(Mp3Joiner(), sound) == (sound, PieceAudio(len(sound), 9 * 1152))

    def test_bits_that_may_differ_between_frames_are_kept(self) -> None:
        frame = bytearray(parts.frame(44100, 128, mode=1))
        frames = []
        for mode_extension in range(4):
            for private in range(2):
                frame[2] = frame[2] & 0xFE | private
                frame[3] = frame[3] & 0xC0 | mode_extension << 4 | 0x08
                frames.append(bytes(frame))
        sound = b"".join(frames * 3)
        assert join(Mp3Joiner(), sound) == (sound, PieceAudio(len(sound), 24 * 1152))


class TestVariableBitRate:
    @ALL_CHUNKS
    def test_is_joined_by_its_frames(self, chunk: int) -> None:
        sound = b"".join(parts.frame(24000, kilobits) * 3 for kilobits in (48, 8, 160, 32, 48, 8))
        first = parts.xing(24000, frames=18, size=None)
        assert join(Mp3Joiner(), first + sound, chunk) == (sound, PieceAudio(len(sound), 18 * 576))

    @pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
    @pytest.mark.parametrize("rate", [8000, 22050, 44100])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_of_files_by_libsndfile_is_joined_by_the_frames_that_the_reader_finds(
        self, rate: int, mode: str, channels: int
    ) -> None:
        file = io.BytesIO()
        noise = np.random.default_rng(1).uniform(-0.3, 0.3, (rate, channels))
        form = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": mode, "compression_level": 0.3}
        soundfile.write(file, noise, rate, **form)
        frames = Mp3Reader().feed(file.getvalue())
        joined, audio = join(Mp3Joiner(), file.getvalue(), 999)
        assert joined == b"".join(frame.data for frame in frames)
        assert audio.samples == sum(frame.header.samples for frame in frames)


class TestDropped:
    @ALL_CHUNKS
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param(parts.id3v2(b"\xff\xf3\x64\xc4" * 70, major=3), b"", id="ID3v2.3"),
            pytest.param(parts.id3v2(b"x" * 9, flags=0x10) * 2, b"", id="two ID3v2.4 with footer"),
            pytest.param(b"", parts.id3v2(b"x" * 9, flags=0x10), id="ID3v2.4 at the end"),
            pytest.param(b"", parts.id3v1(), id="ID3v1"),
            pytest.param(b"", ape(b"Title\x00" * 20) + parts.id3v1(), id="APE and ID3v1"),
            pytest.param(ape(b""), b"", id="empty APE at the start"),
            pytest.param(parts.xing(24000, frames=5, size=None), b"", id="Xing"),
            pytest.param(parts.xing(24000, frames=5, size=None, name=b"Info"), b"", id="Info"),
            pytest.param(parts.POLLYS_TAG + parts.vbri(24000, frames=5, size=9), b"", id="tag and VBRI"),
        ],
    )
    def test_tags_and_summaries_are_dropped_from_each_piece(
        self, before: bytes, after: bytes, chunk: int
    ) -> None:
        joiner, sound = Mp3Joiner(), parts.frames(24000, 5)
        for _ in range(2):
            assert join(joiner, before + sound + after, chunk) == (sound, PieceAudio(len(sound), 5 * 576))

    @ALL_CHUNKS
    def test_tags_and_summaries_within_a_joined_file_are_dropped(self, chunk: int) -> None:
        sound = parts.frames(22050, 5)
        file = parts.POLLYS_TAG + parts.xing(22050, frames=5, size=None) + sound + parts.id3v1()
        joined, audio = join(Mp3Joiner(), file * 3, chunk)
        assert (joined, audio.samples) == (sound * 3, 15 * 576)

    def test_a_frame_that_looks_like_a_summary_is_kept_within_a_piece(self) -> None:
        sound = parts.frames(24000, 2) + parts.xing(24000, frames=1, size=1)
        assert join(Mp3Joiner(), sound)[0] == sound


class TestErrors:
    @ALL_CHUNKS
    @pytest.mark.parametrize("cut", [1, 100, 143])
    def test_a_truncated_last_frame_is_damage(self, cut: int, chunk: int) -> None:
        rest = 144 - cut
        with pytest.raises(
            DamagedPieceError, match=f"p3 is damaged: its last {rest} bytes are not a complete"
        ):
            join(Mp3Joiner(), parts.frames(24000, 9)[:-cut], chunk, "p3")

    @ALL_CHUNKS
    @pytest.mark.parametrize(
        "junk",
        [
            pytest.param(bytes(500), id="zeros"),
            pytest.param(b"\xff" * 500, id="all ones"),
            pytest.param(b"RIFF" + bytes(50), id="another format"),
            pytest.param(b"\xff\xf3\x04\xc4" * 100, id="free format"),
            pytest.param(b"ID3\x04\x00\x00\x80\x00\x00\x00", id="not a tag"),
            pytest.param(b"APETAGIX" + bytes(50), id="nearly an APE tag"),
            pytest.param(ape(b"", is_header=False), id="the footer of an APE tag"),
        ],
    )
    @pytest.mark.parametrize("after", [0, 3])
    def test_junk_is_damage_at_its_byte(self, junk: bytes, after: int, chunk: int) -> None:
        sound = parts.frames(24000, after)
        expected = f"neither a frame nor a tag at byte {45 + len(sound)}. Delete this piece"
        with pytest.raises(DamagedPieceError, match=expected):
            join(Mp3Joiner(), parts.POLLYS_TAG + sound + junk + parts.frames(24000, 3), chunk)

    @ALL_CHUNKS
    @pytest.mark.parametrize("missing", [1, 40, 144])
    def test_bytes_that_are_missing_within_a_piece_are_damage(self, missing: int, chunk: int) -> None:
        sound = parts.frame(24000, content=b"\x00" + b"x" * 8) * 9
        damaged = sound[:400] + sound[400 + missing :]
        if missing == 144:  # a whole frame's length
            assert join(Mp3Joiner(), damaged, chunk)[1].samples == 8 * 576
            return
        with pytest.raises(DamagedPieceError, match="neither a frame nor a tag at byte 432"):
            join(Mp3Joiner(), damaged, chunk)

    @pytest.mark.parametrize(
        ("tag", "missing"), [(parts.id3v2(b"x" * 300), 200), (parts.id3v1(), 28), (ape(b"x" * 90), 4)]
    )
    def test_a_truncated_tag_is_damage(self, tag: bytes, missing: int) -> None:
        with pytest.raises(DamagedPieceError, match=f"it ends {missing} bytes before the end of a tag"):
            join(Mp3Joiner(), parts.frames(24000, 3) + tag[:-missing], 50)

    @pytest.mark.parametrize("size", [1, 3, 9])
    def test_a_piece_of_a_tags_header_is_damage(self, size: int) -> None:
        with pytest.raises(DamagedPieceError, match=f"its last {size} bytes are not a complete frame"):
            join(Mp3Joiner(), parts.frames(24000, 3) + parts.POLLYS_TAG[:size])

    def test_a_tag_without_frames_is_damage(self) -> None:
        with pytest.raises(DamagedPieceError, match="it contains no audio"):
            join(Mp3Joiner(), parts.POLLYS_TAG)

    @ALL_CHUNKS
    @pytest.mark.parametrize(
        ("other", "found"),
        [
            (parts.frames(22050, 3), "22,050 Hz mono"),
            (parts.frames(48000, 3), "48,000 Hz mono"),
            (parts.frames(12000, 3), "12,000 Hz mono"),
            (parts.frame(24000, mode=parts.STEREO), "24,000 Hz stereo"),
        ],
    )
    def test_another_form_is_an_error_that_names_both(self, other: bytes, found: str, chunk: int) -> None:
        joiner = Mp3Joiner()
        join(joiner, parts.frames(24000, 3))
        expected = f"p2 has {found}, but the joined file has 24,000 Hz mono.* Set sample_rate"
        with pytest.raises(MixedPiecesError, match=expected):
            join(joiner, parts.POLLYS_TAG + other, chunk, "p2")

    def test_another_rate_than_the_requested_one_is_an_error(self) -> None:
        with pytest.raises(MixedPiecesError, match="has 22,050 Hz mono, but the joined file has 24,000 Hz"):
            join(Mp3Joiner(sample_rate=24000), parts.frames(22050, 3))

    def test_another_rate_within_a_piece_is_damage(self) -> None:
        with pytest.raises(
            DamagedPieceError, match="frame at byte 432 has 22,050 Hz mono, not 24,000 Hz mono"
        ):
            join(Mp3Joiner(), parts.frames(24000, 3) + parts.frames(22050, 3))

    @pytest.mark.parametrize(
        ("rate", "side"), [(24000, b"\x01"), (8000, b"\xff"), (44100, b"\x01"), (44100, b"\x00\x80")]
    )
    @pytest.mark.parametrize("has_checksum", [False, True])
    @pytest.mark.parametrize("before", [b"", parts.POLLYS_TAG + parts.xing(24000, frames=1, size=1)])
    def test_a_first_frame_that_needs_an_earlier_frame_is_damage(
        self, rate: int, side: bytes, has_checksum: bool, before: bytes
    ) -> None:
        before = before and parts.POLLYS_TAG + parts.xing(rate, frames=1, size=1)
        content = bytes(2 * has_checksum) + side
        frame = parts.frame(rate, 64, content, has_checksum=has_checksum)
        joiner = Mp3Joiner()
        join(joiner, parts.frames(rate, 3))
        with pytest.raises(DamagedPieceError, match=f"frame at byte {len(before)} needs data of an earlier"):
            join(joiner, before + frame)
        sound = parts.frame(rate, 64) + frame
        assert join(joiner, before + sound)[0] == sound


class TestForm:
    @pytest.mark.parametrize("rate", RATES)
    def test_lets_another_joiner_continue_the_file(self, rate: int) -> None:
        first = Mp3Joiner()
        assert (first.form, first.sample_rate) == (None, None)
        join(first, parts.frame(rate, 64, padding=1) * 3)
        assert first.form is not None
        second = Mp3Joiner(sample_rate=rate, form=first.form)
        assert (second.form, second.sample_rate) == (first.form, rate)
        assert second.silence(1.5) == first.silence(1.5)
        other = next(each for each in RATES if each != rate)
        with pytest.raises(MixedPiecesError):
            join(second, parts.frames(other, 3))

    def test_of_pollys_files_is_stable(self) -> None:
        joiner = joiner_of("mp3", "22050", form="fff360c0")
        assert joiner.sample_rate == 22050

    @pytest.mark.parametrize("form", ["", "fff3", "fff304c4", "zzz", "fff364c400"])
    def test_that_is_none_is_an_error(self, form: str) -> None:
        with pytest.raises(ValueError, match=r"not the form of an mp3 file: '.*'\. Join all pieces again"):
            joiner_of("mp3", form=form)


class TestSilence:
    def test_needs_the_form_of_a_piece(self) -> None:
        with pytest.raises(ValueError, match="Join a piece first, or pass form"):
            Mp3Joiner().silence(1)

    @ALL_RATES
    @pytest.mark.parametrize("seconds", [0, 0.01, 0.5, 10])
    def test_has_the_nearest_number_of_frames_and_the_average_bit_rate(
        self, rate: int, seconds: float
    ) -> None:
        joiner = Mp3Joiner()
        join(joiner, parts.frames(rate, 3))
        data, samples = joiner.silence(seconds)
        of_frame = parts.samples_of(rate)
        assert samples % of_frame == 0
        assert abs(samples - seconds * rate) <= of_frame / 2
        assert data == parts.frames(rate, samples // of_frame)

    @ALL_RATES
    @pytest.mark.parametrize("mode", [parts.MONO, parts.STEREO])
    def test_decodes_to_zeros(self, rate: int, mode: int) -> None:
        joiner = Mp3Joiner()
        join(joiner, parts.frame(rate, 64, mode=mode, has_checksum=True) * 3)
        data, samples = joiner.silence(2)
        # A decoder may need several frames to recognize the format.
        found, found_rate = soundfile.read(io.BytesIO(data), dtype="int16")
        assert (found_rate, len(found)) == (rate, samples)
        assert not found.any()


def encoded(folder: Path, rate: int, seconds: float, pitch: float, *, is_loud: bool) -> bytes:
    """Return noise with a tone, in Polly's form. It begins and ends in silence as Polly's does, or loud."""
    moments = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(int(pitch)).standard_normal(len(moments))
    sound = (9000 * np.sin(2 * np.pi * pitch * moments) * (1 + noise / 2)).clip(-32000, 32000)
    edges = [np.zeros(int(length * rate * (not is_loud))) for length in (0.155, 0.35)]
    encoder = open_encoder(folder / "piece.mp3", "mp3", rate)
    encoder.write(np.concatenate([edges[0], sound, edges[1]]).astype(np.int16))
    encoder.close()
    return (folder / "piece.mp3").read_bytes()


def by_libsndfile(mp3: bytes) -> Samples:
    samples: Samples = soundfile.read(io.BytesIO(mp3), dtype="int16")[0]
    return samples


def by_ffmpeg(mp3: bytes) -> Samples:
    command = [get_ffmpeg_exe(), "-v", "error", "-f", "mp3", "-i", "-", "-f", "s16le", "-"]
    done = subprocess.run(command, input=mp3, capture_output=True, timeout=60, check=True)
    assert not done.stderr
    return np.frombuffer(done.stdout, np.int16)


@pytest.mark.parametrize("is_loud", [False, True], ids=["edges are silent", "edges are loud"])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000])
def test_joined_pieces_decode_like_the_separate_pieces(tmp_path: Path, rate: int, is_loud: bool) -> None:
    pieces = [encoded(tmp_path, rate, 0.2 + i % 7 / 5, 150 + 20 * i, is_loud=is_loud) for i in range(40)]
    joiner = Mp3Joiner(sample_rate=rate)
    joined = [join(joiner, piece, 999) for piece in pieces]
    pause = joiner.silence(0.7)
    file = b"".join(data for data, _ in joined[:20]) + pause.data + b"".join(data for data, _ in joined[20:])

    separate = [by_libsndfile(piece) for piece in pieces]
    assert [audio.samples for _, audio in joined] == [len(samples) for samples in separate]
    separate.insert(20, np.zeros(pause.samples, np.int16))
    found, expected = by_libsndfile(file), np.concatenate(separate)
    assert len(found) == len(expected)
    # A decoder's rounding depends on the number of frames before a frame. FFmpeg's decoder shows that it is
    # only rounding.
    assert np.abs(found.astype(int) - expected).max() <= 1
    by_other = [by_ffmpeg(piece) for piece in pieces[15:25]]
    by_other.insert(5, np.zeros(pause.samples, np.int16))
    start = sum(audio.samples for _, audio in joined[:15])
    same = np.concatenate(by_other)
    assert np.array_equal(by_ffmpeg(file)[start : start + len(same)], same)


@st.composite
def piece_of_parts(draw: st.DrawFn) -> bytes:
    """Return an mp3 file of tags, frames and, at times, damage."""
    frame = st.builds(
        parts.frame,
        st.just(24000),
        st.sampled_from([8, 32, 48, 48, 48]),
        st.binary(max_size=9).map(lambda side: b"\x00" + side),
        padding=st.integers(0, 1),
    )
    run = st.builds(lambda each, count: each * count, frame, st.integers(1, 60))
    tag = st.sampled_from([parts.POLLYS_TAG, parts.id3v1(), ape(b"A" * 40), parts.id3v2(b"\xff" * 70)])
    summary = st.just(parts.POLLYS_TAG + parts.xing(24000, frames=3, size=9))
    made = b"".join(draw(st.lists(st.one_of(run, run, run, tag, summary), max_size=8)))
    if draw(st.integers(0, 3)) == 0 and made:
        at = draw(st.integers(0, len(made) - 1))
        made = made[:at] + draw(st.binary(max_size=5)) + made[at + draw(st.integers(0, 5)) :]
    return made


def outcome(data: bytes, cuts: list[int]) -> tuple[bytes, PieceAudio] | str:
    """Return the joined piece, or the error."""
    joiner = Mp3Joiner()
    joiner.begin_piece("a piece")
    joined, at = [], 0
    try:
        for end in [*sorted(cuts), len(data)]:
            joined.append(joiner.feed(data[at:end]))
            at = max(at, end)
        return b"".join(joined), joiner.end_piece()
    except ValueError as error:
        return str(error)


@settings(max_examples=EXAMPLES)
@given(piece_of_parts(), st.lists(st.integers(0, 9000), max_size=40))
def test_chunks_do_not_change_the_result(data: bytes, cuts: list[int]) -> None:
    found = outcome(data, cuts)
    assert found == outcome(data, [])
    if isinstance(found, tuple) and b"APETAGEX" not in data:  # the reader does not know this tag
        frames = Mp3Reader().feed(data)
        assert found[0] == b"".join(frame.data for frame in frames)
        assert found[1] == PieceAudio(len(found[0]), 576 * len(frames))


def test_the_joiner_keeps_less_than_a_frame_besides_the_chunk() -> None:
    joiner = Mp3Joiner()
    joiner.begin_piece("a piece")
    data = parts.id3v2(b"x" * 5000) + parts.frame(32000, 320, padding=1) * 9
    given, returned = 0, 0
    for at in range(0, len(data), 100):
        given += len(data[at : at + 100])
        returned += len(joiner.feed(data[at : at + 100]))
        assert given < 5010 or given - 5010 - returned < LARGEST_FRAME


@pytest.mark.parametrize("chunk", [1, 1000, 1 << 20])
@pytest.mark.parametrize(
    "part",
    [
        pytest.param(parts.frames(22050, 7), id="frames"),
        pytest.param(parts.frame(24000, 8) + parts.frame(24000, 160), id="another bit rate in each frame"),
        pytest.param(parts.id3v2(b"") + parts.frame(24000, 8), id="empty tags"),
        pytest.param(parts.id3v2(b"x" * 9000) + parts.frame(24000, 8), id="long tags"),
    ],
)
def test_the_number_of_steps_is_proportional_to_the_number_of_bytes(part: bytes, chunk: int) -> None:
    def steps_for(size: int) -> int:
        data = part * (size // len(part))
        return steps_of(lambda: join(Mp3Joiner(), data, chunk))

    few, many = steps_for(20_000), steps_for(80_000)
    assert many <= 4.5 * few + 100
    assert many <= 40 * 80_000
