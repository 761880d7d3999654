"""The emulator's audio and speech marks, decoded by ffmpeg."""

# ruff: noqa: RUF001 - letters of the IPA look like other letters

from __future__ import annotations

import itertools
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]  # it ships no types

from airflow_polly_provider.emulator.speech.rules import MORE_RATES_FOR_SPEECH, SAMPLE_RATES
from airflow_polly_provider.emulator.speech.worker import speech_available
from tests.integration.aws_clients import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.emulator.support import MakeClient, StartTask, WaitForEnd

    Say = Callable[..., tuple[bytes, Any]]

TEXT = "Once upon a midnight dreary, while I pondered, weak and weary. Größe? 日本 😀 yes!"
# ffmpeg's names for the formats without a container.
RAW_FORMATS = {"pcm": "s16le", "mulaw": "mulaw", "alaw": "alaw"}
needs_speech = pytest.mark.skipif(not speech_available(), reason="the speech extra is not installed")


def rates(table: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    return [(output_format, rate) for output_format, all_rates in table.items() for rate in all_rates]


def decode(
    audio: bytes, output_format: str, rate: str, folder: Path
) -> tuple[np.ndarray[Any, Any], float, int]:
    """Return the samples, and the length in seconds and the sample rate that the file declares."""
    path = folder / "audio"
    path.write_bytes(audio)
    raw = ["-f", RAW_FORMATS[output_format], "-ar", rate] if output_format in RAW_FORMATS else []
    command = [get_ffmpeg_exe(), "-hide_banner", *raw, "-i", path, "-f", "s16le", "-ac", "1", "-"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    description = done.stderr.decode()
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", description)
    declared_rate = re.search(r"Audio: .*?(\d+) Hz, mono", description)
    assert length is not None
    assert declared_rate is not None
    hours, minutes, seconds = length.groups()
    duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return np.frombuffer(done.stdout, "<i2"), duration, int(declared_rate[1])


@pytest.fixture
def say(polly: Any) -> Say:
    """Return a function that synthesizes a text and returns the audio and Polly's answer."""

    def speak(**parameters: Any) -> tuple[bytes, Any]:
        request = {"Text": TEXT, "VoiceId": "Joanna", "OutputFormat": "mp3"} | parameters
        answer = polly.synthesize_speech(**request)
        with answer["AudioStream"] as stream:
            return stream.read(), answer

    return speak


@pytest.fixture(scope="module")
def reference_seconds(shared_emulator: RunningEmulator) -> float:
    """Return the length of ``TEXT`` in seconds, computed from the samples of its PCM audio."""
    with client_of(shared_emulator, "polly") as polly:
        answer = polly.synthesize_speech(Text=TEXT, VoiceId="Joanna", OutputFormat="pcm", SampleRate="8000")
        with answer["AudioStream"] as stream:
            return len(stream.read()) / 2 / 8000


@pytest.mark.parametrize(("output_format", "rate"), rates(SAMPLE_RATES) + rates(MORE_RATES_FOR_SPEECH))
def test_each_format_at_each_rate_has_the_length_of_the_pcm_samples(
    say: Say, reference_seconds: float, tmp_path: Path, output_format: str, rate: str
) -> None:
    audio, answer = say(OutputFormat=output_format, SampleRate=rate)
    decoded, duration, declared_rate = decode(audio, output_format, rate, tmp_path)
    assert declared_rate == int(rate)
    if output_format == "mp3":
        # The delays of LAME and of the decoder, and the padding of the last frame.
        expected = reference_seconds + (1105 + 600) / declared_rate
        assert len(decoded) / declared_rate == pytest.approx(expected, abs=700 / declared_rate)
        assert duration == pytest.approx(len(decoded) / declared_rate, abs=0.011)
    else:
        assert len(decoded) / declared_rate == pytest.approx(reference_seconds, abs=0.1)
        assert duration == pytest.approx(reference_seconds, abs=0.2)
    assert np.abs(decoded).max() > 1600
    assert answer["RequestCharacters"] == len(TEXT)


@pytest.mark.parametrize("output_format", sorted(SAMPLE_RATES))
def test_the_same_request_produces_the_same_samples(say: Say, tmp_path: Path, output_format: str) -> None:
    first, second = (say(OutputFormat=output_format)[0] for _ in range(2))
    if not output_format.startswith("ogg"):
        assert first == second
    rate = "16000" if output_format == "pcm" else "8000"
    samples = [decode(audio, output_format, rate, tmp_path)[0] for audio in (first, second)]
    assert np.array_equal(samples[0], samples[1])


@needs_speech
def test_each_voice_sounds_different(say: Say) -> None:
    spoken = [say(VoiceId=voice)[0] for voice in ("Joanna", "Matthew", "Salli", "Amy", "Hans", "Marlene")]
    assert all(one != other for one, other in itertools.combinations(spoken, 2))


@pytest.mark.parametrize(
    ("text_type", "text"),
    [
        ("text", TEXT),
        ("ssml", f'<speak>{TEXT}<mark name="m"/> <prosody rate="150%">After &amp; all.</prosody></speak>'),
    ],
)
def test_marks_have_offsets_within_the_text_and_times_within_the_audio(
    say: Say, text_type: str, text: str
) -> None:
    kinds = ["sentence", "word", "viseme"] + (["ssml"] if text_type == "ssml" else [])
    request = {"Text": text, "TextType": text_type}
    body, answer = say(OutputFormat="json", SpeechMarkTypes=kinds, **request)
    assert answer["ContentType"] == "application/x-json-stream"
    marks = [json.loads(line) for line in body.splitlines()]
    times = [mark["time"] for mark in marks]
    assert times == sorted(times)
    assert times[-1] / 1000 <= len(say(OutputFormat="pcm", SampleRate="16000", **request)[0]) / 2 / 16000
    data = text.encode()
    words = [mark for mark in marks if mark["type"] == "word"]
    assert {"dreary", "Größe", "yes"} <= {mark["value"] for mark in words}
    for mark in marks:
        if mark["type"] in ("word", "sentence"):
            assert data[mark["start"] : mark["end"]].decode() == mark["value"]
        if mark["type"] == "ssml":
            assert data[mark["start"] : mark["end"]] == b'<mark name="m"/>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't know, it's 1,234,567 things.", ["I", "don't", "know", "it's", "1,234,567", "things"]),
        ("Don\u2019t pay 3.50 for the 1900th.", ["Don\u2019t", "pay", "3.50", "for", "the", "1900th"]),
    ],
)
def test_a_contraction_and_a_number_are_one_word_mark_each(say: Say, text: str, words: list[str]) -> None:
    body, _ = say(Text=text, OutputFormat="json", SpeechMarkTypes=["word"])
    assert [json.loads(line)["value"] for line in body.splitlines()] == words


# AWS's examples of speech marks: https://docs.aws.amazon.com/polly/latest/dg/sp-mks-example1.html and
# https://docs.aws.amazon.com/polly/latest/dg/sp-mks-example2.html. Times depend on the voice.
WITHOUT_SSML = """
sentence 0 23 Mary had a little lamb.
word 0 4 Mary | viseme p | viseme E | viseme r | viseme i
word 5 8 had | viseme k | viseme a | viseme t
word 9 10 a | viseme @
word 11 17 little | viseme t | viseme i | viseme t | viseme t
word 18 22 lamb | viseme t | viseme a | viseme p
"""
WITH_SSML = r"""
sentence 31 95 Mary had <break time=\"300ms\"\/>a little <mark name=\"animal\"\/>lamb
word 31 35 Mary
word 36 39 had
word 40 61 <break time=\"300ms\"\/>
word 61 62 a
word 63 69 little
ssml 70 91 animal
word 91 95 lamb
"""


def marks_as_listed(body: bytes) -> list[str]:
    """Return each mark without its time, with its value as escaped in the JSON."""
    listed = []
    for line in body.decode().splitlines():
        mark = json.loads(line)
        offsets = [str(mark[name]) for name in ("start", "end") if name in mark]
        listed.append(" ".join([mark["type"], *offsets, line.partition('"value":"')[2].removesuffix('"}')]))
    return listed


@needs_speech
def test_the_marks_of_awss_example_equal_those_that_aws_documents(say: Say) -> None:
    body, _ = say(
        Text="Mary had a little lamb.",
        OutputFormat="json",
        SpeechMarkTypes=["viseme", "word", "sentence"],
    )
    expected = [mark.strip() for line in WITHOUT_SSML.strip().splitlines() for mark in line.split("|")]
    assert marks_as_listed(body) == expected


@needs_speech
def test_the_marks_of_awss_ssml_example_equal_those_that_aws_documents(say: Say) -> None:
    body, _ = say(
        Text='<speak><prosody volume="+20dB">Mary had <break time="300ms"/>a little '
        '<mark name="animal"/>lamb</prosody></speak>',
        TextType="ssml",
        OutputFormat="json",
        SpeechMarkTypes=["sentence", "word", "ssml"],
    )
    assert marks_as_listed(body) == WITH_SSML.strip().splitlines()


@needs_speech
def test_an_affricate_is_one_viseme(say: Say) -> None:
    body, _ = say(Text="judge church", OutputFormat="json", SpeechMarkTypes=["viseme"])
    assert [json.loads(line)["value"] for line in body.splitlines()] == ["S", "E", "S", "S", "E", "S"]


@needs_speech
def test_the_last_viseme_of_a_neural_voice_is_silence(say: Say) -> None:
    body, _ = say(Text="human", Engine="neural", OutputFormat="json", SpeechMarkTypes=["viseme"])
    visemes = [json.loads(line)["value"] for line in body.splitlines()]
    assert visemes.index("sil") == len(visemes) - 1


@pytest.mark.parametrize(
    ("text_type", "text", "sentences"),
    [
        ("text", "Mr. Smith met Dr. No. He left.", ["Mr. Smith met Dr. No.", "He left."]),
        (
            "ssml",
            "<speak><p><s>One <emphasis>two.</emphasis></s> <break time='1s'/><s>Three.</s></p></speak>",
            ["One <emphasis>two.", "Three."],
        ),
    ],
)
def test_a_sentence_mark_ends_at_the_end_of_its_last_word(
    say: Say, text_type: str, text: str, sentences: list[str]
) -> None:
    body, _ = say(Text=text, TextType=text_type, OutputFormat="json", SpeechMarkTypes=["sentence"])
    assert [json.loads(line)["value"] for line in body.splitlines()] == sentences


def test_marks_of_a_task_are_written_to_the_bucket(
    client: MakeClient, start_task: StartTask, wait_for_end: WaitForEnd, emulator: RunningEmulator
) -> None:
    task = wait_for_end(start_task(OutputFormat="json", SpeechMarkTypes=["word"])["TaskId"])
    assert task["OutputUri"].endswith(".marks")
    body = client("s3").get_object(Bucket=emulator.bucket, Key=f"{task['TaskId']}.marks")["Body"].read()
    assert [json.loads(line)["value"] for line in body.splitlines()] == ["Hello", "from", "the", "emulator"]


@needs_speech
@pytest.mark.parametrize(
    "entry", ["<alias>World Wide Web Consortium</alias>", "<phoneme>ˈwɜːldwaɪdkənˌsɔːʃəm</phoneme>"]
)
def test_a_lexicon_applies_only_to_voices_of_its_language(polly: Any, say: Say, entry: str) -> None:
    polly.put_lexicon(
        Name="w3c",
        Content='<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" '
        f'alphabet="ipa" xml:lang="en-US"><lexeme><grapheme>W3C</grapheme>{entry}</lexeme></lexicon>',
    )
    text = "The W3C meets."
    plain, with_lexicon = say(Text=text)[0], say(Text=text, LexiconNames=["w3c"])[0]
    assert plain != with_lexicon
    assert say(Text=text, VoiceId="Brian")[0] == say(Text=text, VoiceId="Brian", LexiconNames=["w3c"])[0]


def test_audio_is_truncated_at_ten_minutes(say: Say) -> None:
    pauses = "<break time='10s'/>" * 70
    audio, _ = say(Text=f"<speak>a{pauses}b</speak>", TextType="ssml", OutputFormat="mulaw")
    assert len(audio) / 8000 <= 600
