from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.audio.wav import WAV_OUTPUT_FORMATS, WavForm

FORMS = [
    WavForm(output_format="pcm", sample_rate=8000),
    WavForm(output_format="pcm", sample_rate=16000),
    WavForm(output_format="mulaw", sample_rate=8000),
    WavForm(output_format="alaw", sample_rate=8000),
]
SUBTYPES = {"pcm": "PCM_16", "mulaw": "ULAW", "alaw": "ALAW"}
each_form = pytest.mark.parametrize(
    "form", FORMS, ids=lambda form: f"{form.output_format}-{form.sample_rate}"
)


def wav_file(form: WavForm, samples: bytes) -> bytes:
    return form.header(len(samples)) + samples + form.padding(len(samples))


def encoded(samples: np.ndarray[tuple[int], np.dtype[np.int16]], form: WavForm) -> bytes:
    """Return samples as libsndfile encodes them, without a header."""
    file = io.BytesIO()
    subtype = SUBTYPES[form.output_format]
    soundfile.write(file, samples, form.sample_rate, format="RAW", subtype=subtype, endian="LITTLE")
    return file.getvalue()


def chunks_of(content: bytes) -> dict[bytes, bytes]:
    """Return the content of each chunk of a RIFF file, and check that the sizes fit."""
    assert content[:4] == b"RIFF"
    assert struct.unpack("<I", content[4:8]) == (len(content) - 8,)
    assert content[8:12] == b"WAVE"
    found, position = {}, 12
    while position < len(content):
        name, size = struct.unpack("<4sI", content[position : position + 8])
        found[name] = content[position + 8 : position + 8 + size]
        assert len(found[name]) == size
        position += 8 + size + size % 2
    assert position == len(content)
    return found


@each_form
@pytest.mark.parametrize("number", [0, 1, 7, 8000])
def test_file_has_exactly_the_samples_that_were_encoded(form: WavForm, number: int) -> None:
    samples = (8000 * np.sin(np.arange(number) / 5)).astype(np.int16)
    raw = encoded(samples, form)

    file = io.BytesIO(wav_file(form, raw))
    with soundfile.SoundFile(file) as opened:
        assert (opened.format, opened.subtype) == ("WAV", SUBTYPES[form.output_format])
        assert (opened.samplerate, opened.channels, opened.frames) == (form.sample_rate, 1, number)
        decoded = opened.read(dtype="int16")
    if form.output_format == "pcm":
        assert np.array_equal(decoded, samples)
    else:
        expected, _ = soundfile.read(
            io.BytesIO(raw),
            samplerate=form.sample_rate,
            channels=1,
            format="RAW",
            subtype=SUBTYPES[form.output_format],
            dtype="int16",
        )
        assert np.array_equal(decoded, expected)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_pcm_file_is_read_by_the_wave_module(rate: int) -> None:
    form = WavForm(output_format="pcm", sample_rate=rate)
    with wave.open(io.BytesIO(wav_file(form, bytes(range(100))))) as opened:
        assert (opened.getnchannels(), opened.getsampwidth(), opened.getframerate()) == (1, 2, rate)
        assert opened.readframes(100) == bytes(range(100))


@pytest.mark.parametrize(
    ("form", "fields", "sizes"),
    [
        (FORMS[0], (1, 1, 8000, 16000, 2, 16), {b"fmt ": 16}),
        (FORMS[1], (1, 1, 16000, 32000, 2, 16), {b"fmt ": 16}),
        (FORMS[2], (7, 1, 8000, 8000, 1, 8), {b"fmt ": 18, b"fact": 4}),
        (FORMS[3], (6, 1, 8000, 8000, 1, 8), {b"fmt ": 18, b"fact": 4}),
    ],
    ids=["pcm-8000", "pcm-16000", "mulaw", "alaw"],
)
def test_header_has_the_fields_of_its_encoding(
    form: WavForm, fields: tuple[int, ...], sizes: dict[bytes, int]
) -> None:
    chunks = chunks_of(wav_file(form, bytes(12)))
    assert struct.unpack("<HHIIHH", chunks[b"fmt "][:16]) == fields
    assert {name: len(content) for name, content in chunks.items()} == {**sizes, b"data": 12}
    if b"fact" in chunks:
        assert (chunks[b"fmt "][16:], chunks[b"fact"]) == (bytes(2), struct.pack("<I", 12))


@given(st.sampled_from(FORMS), st.binary(max_size=301))
def test_sizes_in_the_header_match_any_samples(form: WavForm, samples: bytes) -> None:
    content = wav_file(form, samples)
    assert chunks_of(content)[b"data"] == samples
    assert len(content) % 2 == 0
    assert content.index(b"data") + 8 == form.header_bytes


@each_form
def test_samples_up_to_the_limit_of_riff_fit(form: WavForm) -> None:
    most = 0xFFFFFFFF - form.header_bytes + 8
    most -= most % 2
    assert struct.unpack("<I", form.header(most)[4:8])[0] >= 0xFFFFFFFE
    for more in (1, 2, 1 << 40):
        with pytest.raises(ValueError, match=f"the audio has {most + more:,} bytes.* Split the text"):
            form.header(most + more)


@pytest.mark.parametrize(
    ("output_format", "rate", "expected"),
    [
        ("pcm", None, 16000),
        ("pcm", "8000", 8000),
        ("mulaw", None, 8000),
        ("alaw", None, 8000),
        ("alaw", "8000", 8000),
    ],
)
def test_form_of_a_request_has_its_rate_or_pollys_default(
    output_format: str, rate: str | None, expected: int
) -> None:
    request = {"OutputFormat": output_format} | ({} if rate is None else {"SampleRate": rate})
    assert WavForm.of_request(request) == WavForm(output_format=output_format, sample_rate=expected)


def test_forms_exist_for_each_raw_format_of_polly() -> None:
    assert set(WAV_OUTPUT_FORMATS) == {"pcm", "mulaw", "alaw"}
