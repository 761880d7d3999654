from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.validate import validate_parameters
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.rules import SAMPLE_RATES, SPEECH_SAMPLE_RATES
from airflow_polly_provider.request.validation import build_request, build_speech_request
from tests.unit.support import MODEL, NEWER_FORMATS, warnings_in

if TYPE_CHECKING:
    from collections.abc import Mapping

LINE = "x\r\n"

VALID: dict[str, Any] = {
    "OutputFormat": "mp3",
    "OutputS3BucketName": "my-bucket",
    "Text": "Hello",
    "VoiceId": "Amy",
}


def request_with(**changes: Any) -> dict[str, Any]:
    return build_request(**{**VALID, **changes})


def known(rates: Mapping[str, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the formats that the installed botocore supports, with their sample rates."""
    return [(name, valid) for name, valid in rates.items() if name not in NEWER_FORMATS]


@pytest.mark.parametrize("output_format", ["ogg_opus", "mulaw", "alaw"])
def test_a_format_that_the_installed_botocore_lacks_is_refused_with_the_version_that_has_it(
    output_format: str,
) -> None:
    if output_format not in NEWER_FORMATS:
        assert request_with(OutputFormat=output_format)["OutputFormat"] == output_format
        return
    with pytest.raises(
        PollyInvalidRequestError, match=r"botocore .* does not know it: upgrade boto3 to 1\.4"
    ):
        request_with(OutputFormat=output_format)


class TestValidRequest:
    def test_omits_parameters_that_are_none(self) -> None:
        assert request_with(Engine=None, LexiconNames=None) == VALID

    def test_with_every_parameter_is_valid_for_polly(self) -> None:
        request = request_with(
            Engine="neural",
            LanguageCode="en-GB",
            LexiconNames=["one", "two"],
            OutputFormat="json",
            OutputS3KeyPrefix="audio/Intro-(1)/",
            SnsTopicArn="arn:aws-us-gov:sns:us-gov-west-1:123456789012:topic.fifo",
            SpeechMarkTypes=["word", "ssml"],
            Text="<speak>Hello</speak>",
            TextType="ssml",
        )
        validate_parameters(request, MODEL.shape_for("StartSpeechSynthesisTaskInput"))
        assert len(request) == 11

    @pytest.mark.parametrize("text_type", [None, "text"])
    def test_with_ssml_that_is_sent_as_plain_text_logs_a_warning_without_the_text(
        self, text_type: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        request_with(Text="\n<speak>secret</speak>", TextType=text_type)
        assert f"text_type is {text_type!r}" in caplog.text
        assert "secret" not in caplog.text

    @pytest.mark.parametrize(("text", "text_type"), [("<speak>a</speak>", "ssml"), ("a <speak>", None)])
    def test_with_any_other_text_logs_no_warning(
        self, text: str, text_type: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        request_with(Text=text, TextType=text_type)
        assert warnings_in(caplog) == []

    @pytest.mark.parametrize("rate", [22050, "22050"])
    def test_accepts_a_sample_rate_as_number_or_string(self, rate: object) -> None:
        assert request_with(SampleRate=rate)["SampleRate"] == "22050"

    @pytest.mark.parametrize("rate", [8000, 22050, 48000])
    def test_accepts_a_sample_rate_for_speech_marks(self, rate: int) -> None:
        request = request_with(OutputFormat="json", SampleRate=rate, SpeechMarkTypes=["word"])
        assert request["SampleRate"] == str(rate)

    @pytest.mark.parametrize("number", [2024, -5, 0])
    def test_accepts_an_integer_as_text_and_as_prefix(self, number: int) -> None:
        request = request_with(Text=number, OutputS3KeyPrefix=2024)
        assert (request["Text"], request["OutputS3KeyPrefix"]) == (str(number), "2024")

    def test_accepts_an_integer_as_a_lexicons_name(self) -> None:
        assert request_with(LexiconNames=[2024, "a"])["LexiconNames"] == ["2024", "a"]

    @pytest.mark.parametrize("names", [("b", "a"), ["b", "a"], {"a", "b"}, iter(["b", "a"]), {"b": 1}.keys()])
    def test_accepts_lexicon_names_in_any_kind_of_collection(self, names: Any) -> None:
        request = request_with(LexiconNames=names)
        validate_parameters(request, MODEL.shape_for("StartSpeechSynthesisTaskInput"))
        assert sorted(json.loads(json.dumps(request))["LexiconNames"])[-1] == "b"

    @pytest.mark.parametrize(("output_format", "rates"), known(SAMPLE_RATES))
    def test_accepts_every_documented_sample_rate(self, output_format: str, rates: tuple[str, ...]) -> None:
        for rate in rates:
            assert request_with(OutputFormat=output_format, SampleRate=rate)["SampleRate"] == rate

    @pytest.mark.parametrize(
        ("text", "text_type"),
        [
            ("x" * 100_000, "text"),
            (f"<speak>{'x' * 100_000}</speak>", "ssml"),
            (f"<speak>{'<s>x</s>' * 24_990}</speak>", "ssml"),
            ("\N{GRINNING FACE}" * 100_000, None),
            (f"<speak>{LINE * 50_000}</speak>", "ssml"),
            (f"<speak>{'<s>x</s>' * 24_990}</speak>{' ' * 100}", "ssml"),
        ],
    )
    def test_accepts_a_text_at_the_limit(self, text: str, text_type: str | None) -> None:
        assert request_with(Text=text, TextType=text_type)["Text"] == text


class TestNamesMissingInTheServiceModel:
    @pytest.mark.parametrize(
        ("member", "name", "closest"),
        [
            ("VoiceId", "Joana", "Joanna"),
            ("Engine", "neurall", "neural"),
            ("LanguageCode", "en-GBR", "en-GB"),
        ],
    )
    def test_are_sent_with_a_warning_that_names_the_closest_known_name(
        self, member: str, name: str, closest: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert request_with(**{member: name})[member] == name
        assert name in warnings_in(caplog)[0]
        assert closest in warnings_in(caplog)[0]

    def test_are_sent_with_a_warning_if_no_known_name_is_close(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert request_with(VoiceId="Zzyzx99")["VoiceId"] == "Zzyzx99"
        assert "closest" not in warnings_in(caplog)[0]

    def test_do_not_include_known_names(self, caplog: pytest.LogCaptureFixture) -> None:
        request_with(Engine="neural", LanguageCode="en-GB")
        assert warnings_in(caplog) == []


# By case: the changes to a valid request, and the words that the error must contain.
BAD = {
    "empty text": ({"Text": ""}, ["text is empty", "0 characters"]),
    "text of white space": ({"Text": " \n"}, ["text is empty", "2 characters"]),
    "text of another type": (
        {"Text": 1.5},
        ["text must be a string", "float", "render_template_as_native_obj", "output of the upstream task"],
    ),
    "a bool as text": ({"Text": True}, ["text must be a string", "bool"]),
    "no text": ({"Text": None}, ["text must be a string"]),
    "text over the billed limit": ({"Text": "x" * 100_001}, ["100,001", "100,000", "expand"]),
    "SSML over the billed limit": (
        {"Text": f"<speak>{'x' * 100_001}</speak>", "TextType": "ssml"},
        ["100,016 characters", "100,001 of them billed", "100,000"],
    ),
    "SSML over the total limit": (
        {"Text": f"<speak>{'<p/>' * 50_000}</speak>", "TextType": "ssml"},
        ["200,015 characters", "0 of them billed", "200,000"],
    ),
    "sample rate of another format": (
        {"OutputFormat": "pcm", "SampleRate": 24000},
        ["sample_rate '24000'", "'pcm'", "8000, 16000"],
    ),
    "sample rate that is not a number": ({"SampleRate": "fast"}, ["'fast'", "8000, 16000, 22050, 24000"]),
    "marks with audio": (
        {"SpeechMarkTypes": ["word"]},
        ["speech_mark_types", "output_format 'json'", "'mp3'"],
    ),
    "ssml marks with plain text": (
        {"OutputFormat": "json", "SpeechMarkTypes": ["ssml"]},
        ["text_type 'ssml'", "sentence, viseme and word"],
    ),
    "unknown mark": (
        {"OutputFormat": "json", "SpeechMarkTypes": ["words"]},
        ["speech_mark_types 'words'", "sentence, ssml, viseme, word"],
    ),
    "one mark as a string": (
        {"OutputFormat": "json", "SpeechMarkTypes": "word"},
        ["speech_mark_types must be a list", "'word'"],
    ),
    "marks as a mapping": (
        {"OutputFormat": "json", "SpeechMarkTypes": {"word": True}},
        ["speech_mark_types must be a list"],
    ),
    "unknown format": ({"OutputFormat": "wav"}, ["output_format 'wav'", "mp3", "ogg_vorbis"]),
    "unknown text type": ({"TextType": "xml"}, ["text_type 'xml'", "ssml, text"]),
    "prefix with a space": (
        {"OutputS3KeyPrefix": "my audio"},
        ["output_s3_key_prefix 'my audio'", "no spaces"],
    ),
    "prefix with an accent": ({"OutputS3KeyPrefix": "café"}, ["output_s3_key_prefix", "no accents"]),
    "prefix with a line feed": ({"OutputS3KeyPrefix": "audio\n"}, ["output_s3_key_prefix"]),
    "prefix too long": ({"OutputS3KeyPrefix": "x" * 801}, ["801 characters", "at most 800"]),
    "prefix of another type": (
        {"OutputS3KeyPrefix": (1, 0)},
        ["output_s3_key_prefix must be a string", "tuple", "render_template_as_native_obj"],
    ),
    "voice of another type": (
        {"VoiceId": 7},
        ["voice_id must be a string", "int", "render_template_as_native_obj"],
    ),
    "bucket as a URI": (
        {"OutputS3BucketName": "s3://bucket"},
        ["output_s3_bucket_name", "the name of an S3 bucket without s3:"],
    ),
    "bucket in upper case": ({"OutputS3BucketName": "Bucket"}, ["output_s3_bucket_name", "lower-case"]),
    "bucket too short": ({"OutputS3BucketName": "ab"}, ["output_s3_bucket_name", "3 to 63"]),
    "topic that is not an ARN": ({"SnsTopicArn": "my-topic"}, ["sns_topic_arn", "arn:aws:sns"]),
    "too many lexicons": ({"LexiconNames": list("abcdef")}, ["lexicon_names", "6", "5"]),
    "malformed lexicon name": ({"LexiconNames": ["my-lexicon"]}, ["lexicon_names", "letters and digits"]),
    "lexicon of another type": ({"LexiconNames": [None]}, ["lexicon_names must be a string"]),
}


class TestInvalidRequest:
    @pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
    def test_is_refused_with_the_parameter_its_value_and_the_allowed_values(
        self, changes: dict[str, Any], words: list[str]
    ) -> None:
        with pytest.raises(PollyInvalidRequestError) as refused:
            request_with(**changes)
        for word in words:
            assert word in str(refused.value)

    @given(st.text(min_size=1).filter(str.strip), st.sampled_from(["TextType", "OutputFormat"]))
    def test_is_refused_without_quoting_the_text(self, text: str, wrong: str) -> None:
        secret = f"secret {text} secret"
        with pytest.raises(PollyInvalidRequestError) as refused:
            request_with(Text=secret, **{wrong: "wrong"})
        assert secret not in str(refused.value)


VALID_SPEECH: dict[str, Any] = {"OutputFormat": "mp3", "Text": "Hello", "VoiceId": "Amy"}


def speech_request_with(**changes: Any) -> dict[str, Any]:
    return build_speech_request(**{**VALID_SPEECH, **changes})


class TestSpeechRequest:
    def test_a_request_with_every_parameter_is_valid_for_polly(self) -> None:
        request = speech_request_with(
            Engine="neural",
            LanguageCode="en-GB",
            LexiconNames=["one"],
            OutputFormat="json",
            SpeechMarkTypes=["word", "ssml"],
            Text="<speak>Hello</speak>",
            TextType="ssml",
        )
        validate_parameters(request, MODEL.shape_for("SynthesizeSpeechInput"))
        assert len(request) == 8

    @pytest.mark.parametrize(("output_format", "rates"), known(SPEECH_SAMPLE_RATES))
    def test_every_documented_sample_rate_is_accepted(
        self, output_format: str, rates: tuple[str, ...]
    ) -> None:
        for rate in rates:
            assert speech_request_with(OutputFormat=output_format, SampleRate=int(rate))["SampleRate"] == rate

    @pytest.mark.parametrize(
        ("text", "text_type"),
        [
            ("x" * 3_000, "text"),
            (f"<speak>{'x' * 3_000}</speak>", "ssml"),
            (f"<speak>{'<s>x</s>' * 748}</speak>", "ssml"),
        ],
    )
    def test_a_text_at_the_limit_is_accepted(self, text: str, text_type: str) -> None:
        assert speech_request_with(Text=text, TextType=text_type)["Text"] == text

    @pytest.mark.parametrize(
        ("text", "text_type", "words"),
        [
            ("x" * 3_001, "text", ["3,001 characters, 3,001 of them billed", "3,000 billed"]),
            (f"<speak>{'x' * 3_001}</speak>", "ssml", ["3,001 of them billed"]),
            (
                f"<speak>{'<p/>' * 1_500}</speak>",
                "ssml",
                ["6,015 characters, 0 of them billed", "6,000 characters in total"],
            ),
        ],
    )
    def test_a_text_above_the_limit_is_refused_with_the_name_of_the_operator_that_accepts_it(
        self, text: str, text_type: str, words: list[str]
    ) -> None:
        with pytest.raises(PollyInvalidRequestError) as refused:
            speech_request_with(Text=text, TextType=text_type)
        for word in ("SynthesizeSpeech", "PollyStartSpeechSynthesisTaskOperator", "expand", *words):
            assert word in str(refused.value)

    @pytest.mark.parametrize(
        ("changes", "word"),
        [
            ({"Text": ""}, "text is empty"),
            ({"VoiceId": None}, "voice_id"),
            ({"OutputFormat": "wav"}, "output_format 'wav'"),
            ({"OutputFormat": "pcm", "SampleRate": "44100"}, "sample_rate '44100'"),
            ({"SpeechMarkTypes": ["word"]}, "speech_mark_types"),
            ({"LexiconNames": "one"}, "lexicon_names must be a list"),
        ],
    )
    def test_a_parameter_that_polly_would_refuse_is_refused_by_name(
        self, changes: dict[str, Any], word: str
    ) -> None:
        with pytest.raises(PollyInvalidRequestError, match=word):
            speech_request_with(**changes)
