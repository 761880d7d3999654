"""boto3 raises each error that the service model lists for an operation as the class of that error."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.aws_clients import aws_client
from tests.integration.emulator.support import CREDENTIALS, lexicon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_polly_provider.emulator.testing import RunningEmulator
    from tests.integration.emulator.support import MakeClient

SPEECH: dict[str, Any] = {"Text": "Hello", "VoiceId": "Joanna", "OutputFormat": "mp3"}
TASK = SPEECH | {"OutputS3BucketName": "polly-emulator"}
UNKNOWN_ARN = "arn:aws:polly:us-east-1:123456789012:lexicon/unknown"
KNOWN_ARN = "arn:aws:polly:us-east-1:123456789012:lexicon/known"

SYNTHESIS: dict[str, dict[str, Any]] = {
    "TextLengthExceededException": {"Text": "a" * 200_001},
    "InvalidSampleRateException": {"SampleRate": "12345"},
    "InvalidSsmlException": {"Text": "<speak>", "TextType": "ssml"},
    "LexiconNotFoundException": {"LexiconNames": ["unknown"]},
    "MarksNotSupportedForFormatException": {"SpeechMarkTypes": ["word"]},
    "SsmlMarksNotSupportedForTextTypeException": {"OutputFormat": "json", "SpeechMarkTypes": ["ssml"]},
    "LanguageNotSupportedException": {"LanguageCode": "de-DE"},
}
# Requests that cause each error.
REQUESTS: dict[str, dict[str, dict[str, Any]]] = {
    "StartSpeechSynthesisTask": {error: TASK | more for error, more in SYNTHESIS.items()}
    | {
        "InvalidS3BucketException": TASK | {"OutputS3BucketName": "192.168.5.4"},
        "InvalidS3KeyException": TASK | {"OutputS3KeyPrefix": "../../other"},
        "InvalidSnsTopicArnException": TASK | {"SnsTopicArn": "not-an-arn"},
    },
    "SynthesizeSpeech": {error: SPEECH | more for error, more in SYNTHESIS.items()},
    "GetSpeechSynthesisTask": {
        "InvalidTaskIdException": {"TaskId": "not an id"},
        "SynthesisTaskNotFoundException": {"TaskId": "unknown"},
    },
    "ListSpeechSynthesisTasks": {"InvalidNextTokenException": {"NextToken": "x"}},
    "DescribeVoices": {"InvalidNextTokenException": {"NextToken": "x"}},
    "ListLexicons": {"InvalidNextTokenException": {"NextToken": "x"}},
    "GetLexicon": {"LexiconNotFoundException": {"Name": "unknown"}},
    "DeleteLexicon": {"LexiconNotFoundException": {"Name": "unknown"}},
    "PutLexicon": {
        "InvalidLexiconException": {"Name": "x", "Content": "<lexicon>"},
        "UnsupportedPlsAlphabetException": {
            "Name": "x",
            "Content": lexicon(alphabet="runes"),
        },
        "UnsupportedPlsLanguageException": {"Name": "x", "Content": lexicon(language="tlh")},
        "LexiconSizeExceededException": {"Name": "x", "Content": lexicon() + f"<!--{' ' * 40_000}-->"},
        "MaxLexemeLengthExceededException": {
            "Name": "x",
            "Content": lexicon(alias="b" * 101),
        },
        "MaxLexiconsNumberExceededException": {"Name": "oneTooMany", "Content": lexicon()},
        "ValidationException": {"Name": "not a name", "Content": lexicon()},
        "TooManyTagsException": {
            "Name": "x",
            "Content": lexicon(),
            "Tags": {f"key{number}": "" for number in range(51)},
        },
        "InvalidTagParameterException": {
            "Name": "x",
            "Content": lexicon(),
            "Tags": {"aws:mine": ""},
        },
    },
    "TagResource": {
        "ResourceNotFoundException": {"ResourceArn": UNKNOWN_ARN, "Tags": {"a": "b"}},
        "TooManyTagsException": {
            "ResourceArn": KNOWN_ARN,
            "Tags": {f"key{number}": "" for number in range(51)},
        },
        "ValidationException": {"ResourceArn": KNOWN_ARN, "Tags": {"a": "b" * 257}},
        "InvalidTagParameterException": {"ResourceArn": KNOWN_ARN, "Tags": {"aws:mine": "b"}},
    },
    "UntagResource": {
        "ResourceNotFoundException": {"ResourceArn": UNKNOWN_ARN, "TagKeys": ["a"]},
        "ValidationException": {"ResourceArn": KNOWN_ARN, "TagKeys": ["a" * 129]},
        "InvalidTagParameterException": {"ResourceArn": KNOWN_ARN, "TagKeys": ["aws:mine"]},
    },
    "ListTagsForResource": {
        "ResourceNotFoundException": {"ResourceArn": UNKNOWN_ARN},
        "ValidationException": {"ResourceArn": "a" * 1012},
        "InvalidTagParameterException": {"ResourceArn": "not-an-arn"},
    },
}
# No request causes these errors; only an emulator fault does. For an engine that the voice does not support,
# the real Polly answers ValidationException.
ONLY_BY_FAULT = {"ServiceFailureException", "ThrottlingException", "EngineNotSupportedException"}
MODEL = botocore.session.get_session().get_service_model("polly")
# The bidirectional stream needs HTTP/2 events, which boto3 does not support either.
NOT_SERVED = {"StartSpeechSynthesisStream"}
LISTED = [
    (operation, error.name)
    for operation in MODEL.operation_names
    if operation not in NOT_SERVED
    for error in MODEL.operation_model(operation).error_shapes
]


@pytest.fixture
def lenient_polly(emulator: RunningEmulator) -> Iterator[Any]:
    """Yield a client without boto3's parameter validation."""
    lenient = aws_client(
        "polly",
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        endpoint_url=emulator.endpoint_url,
        **CREDENTIALS,
    )
    yield lenient
    lenient.close()


def call(polly: Any, operation: str, parameters: dict[str, Any]) -> Any:
    method = next(name for name, known in polly.meta.method_to_api_mapping.items() if known == operation)
    return getattr(polly, method)(**parameters)


@pytest.mark.parametrize(("operation", "error"), LISTED)
def test_each_listed_error_is_raised_as_its_class(
    emulator: RunningEmulator, lenient_polly: Any, operation: str, error: str
) -> None:
    polly = lenient_polly
    parameters = REQUESTS[operation].get(error)
    if parameters is None:
        assert error in ONLY_BY_FAULT, f"no request causes {error}"
        emulator.faults.add(operation, error=error)
        parameters = next(iter(REQUESTS[operation].values()))
    if KNOWN_ARN in str(parameters):
        polly.put_lexicon(Name="known", Content=lexicon())
    if error == "MaxLexiconsNumberExceededException":
        for number in range(100):
            polly.put_lexicon(Name=f"lexicon{number}", Content=lexicon())
    with pytest.raises(getattr(polly.exceptions, error)) as caught:
        call(polly, operation, parameters)
    shape = MODEL.shape_for(error)
    status = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == shape.metadata["error"]["httpStatusCode"]


def validation_message(value: str, member: str, constraint: str) -> str:
    """Return the message of AWS's validator for one violated constraint."""
    return (
        f"1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
    )


def enum_values(shape: str) -> str:
    return ", ".join(MODEL.shape_for(shape).enum)  # type: ignore[attr-defined]


BUCKET_PATTERN = MODEL.shape_for("OutputS3BucketName").metadata["pattern"]
MESSAGES_OF_AWS = [
    (
        {"OutputS3BucketName": "Upper_Case"},
        validation_message(
            "'Upper_Case'",
            "outputS3BucketName",
            f"Member must satisfy regular expression pattern: {BUCKET_PATTERN}",
        ),
    ),
    ({"OutputS3KeyPrefix": "white space"}, "Invalid output S3 key prefix"),
    (
        {"VoiceId": "de-de"},
        validation_message(
            "'de-de'", "voiceId", f"Member must satisfy enum value set: [{enum_values('VoiceId')}]"
        ),
    ),
    (
        {"SpeechMarkTypes": ["word"] * 5},
        validation_message(
            "'[word, word, word, word, word]'",
            "speechMarkTypes",
            "Member must have length less than or equal to 4",
        ),
    ),
    (
        {"SpeechMarkTypes": ["word", "letter"]},
        validation_message(
            "'[word, letter]'",
            "speechMarkTypes",
            "Member must satisfy constraint: "
            f"[Member must satisfy enum value set: [{enum_values('SpeechMarkType')}]]",
        ),
    ),
    ({"Text": None}, validation_message("null", "text", "Member must not be null")),
    ({"VoiceId": "Ruth"}, "This voice does not support the selected engine: standard"),
    (
        {"VoiceId": "Hans", "Engine": "generative"},
        "This voice does not support the selected engine: generative",
    ),
]


# AWS's messages for these requests are not known, so the texts are the emulator's own.
MESSAGES_OF_THE_EMULATOR = [
    ({"Text": " "}, "The text is empty"),
    ({"OutputFormat": "json"}, "OutputFormat json requires SpeechMarkTypes"),
    (
        {"VoiceId": "Ruth", "Engine": "generative", "OutputFormat": "json", "SpeechMarkTypes": ["word"]},
        "The generative engine does not support speech marks",
    ),
]


@pytest.mark.parametrize(("more", "message"), [*MESSAGES_OF_AWS, *MESSAGES_OF_THE_EMULATOR])
def test_an_invalid_request_raises_a_validation_exception_with_the_reason(
    lenient_polly: Any, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        lenient_polly.start_speech_synthesis_task(**TASK | more)
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("ValidationException", message)


def test_one_error_lists_all_violated_constraints(lenient_polly: Any) -> None:
    with pytest.raises(ClientError) as caught:
        lenient_polly.start_speech_synthesis_task(**TASK | {"OutputFormat": "flac", "VoiceId": "Nobody"})
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("2 validation errors detected: Value 'flac' at 'outputFormat' failed")
    assert "]; Value 'Nobody' at 'voiceId' failed to satisfy constraint: " in message


def test_the_error_for_an_integer_out_of_bounds_names_the_bound(lenient_polly: Any) -> None:
    with pytest.raises(ClientError) as caught:
        lenient_polly.list_speech_synthesis_tasks(MaxResults=101)
    bound = "Member must have value less than or equal to 100"
    assert caught.value.response["Error"]["Message"] == validation_message("'101'", "maxResults", bound)


@pytest.mark.parametrize(
    ("more", "code", "message", "detail"),
    [
        (
            {"Text": "a" * 200_001},
            "TextLengthExceededException",
            "Maximum text length has been exceeded",
            "The text has 200001 characters; at most 200000 are allowed",
        ),
        (
            {"Text": "<speak><emphasis>no</emphasis></speak>", "Engine": "neural"},
            "InvalidSsmlException",
            "Unsupported Neural feature",
            "emphasis",
        ),
        (
            {"Text": '<speak><amazon:domain name="news">no</amazon:domain></speak>'},
            "ValidationException",
            "This voice does not support one of the used SSML features",
            "amazon:domain",
        ),
        (
            {"OutputS3KeyPrefix": "two\nlines"},
            "ValidationException",
            "Invalid output S3 key prefix",
            "Value 'two\\nlines' at 'outputS3KeyPrefix'",
        ),
    ],
)
def test_details_that_pollys_message_omits_are_in_a_header(
    lenient_polly: Any, more: dict[str, Any], code: str, message: str, detail: str
) -> None:
    text_type = "ssml" if more.get("Text", "").startswith("<") else "text"
    with pytest.raises(ClientError) as caught:
        lenient_polly.start_speech_synthesis_task(**TASK | {"TextType": text_type} | more)
    response = caught.value.response
    assert (response["Error"]["Code"], response["Error"]["Message"]) == (code, message)
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-emulator-detail"].startswith(detail)


def test_the_unsupported_bidirectional_stream_is_answered_with_501(
    emulator: RunningEmulator, client: MakeClient
) -> None:
    request = urllib.request.Request(
        f"{emulator.endpoint_url}/v1/synthesisStream",
        method="POST",
        headers={
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/polly/aws4_request",
            "x-amzn-Engine": "generative",
            "x-amzn-OutputFormat": "pcm",
            "x-amzn-VoiceId": "Ruth",
        },
    )
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request, timeout=10):
        pass
    with caught.value as error:
        assert error.code == 501
        assert b"does not serve StartSpeechSynthesisStream" in error.read()


def test_voices_are_listed_and_filtered(polly: Any) -> None:
    voice_ids: Any = MODEL.shape_for("VoiceId")
    voices = {voice["Id"]: voice for voice in polly.describe_voices()["Voices"]}
    assert set(voices) == set(voice_ids.enum)
    assert voices["Joanna"]["LanguageName"] == "US English"
    assert {voice["Gender"] for voice in voices.values()} == {"Female", "Male"}
    hindi = polly.describe_voices(LanguageCode="hi-IN", IncludeAdditionalLanguageCodes=True)["Voices"]
    assert {"Aditi", "Kajal"} <= {voice["Id"] for voice in hindi}
    long_form = polly.describe_voices(Engine="long-form", LanguageCode="en-US")["Voices"]
    assert "Danielle" in {voice["Id"] for voice in long_form}


def test_lexicons_and_their_tags_are_stored(polly: Any) -> None:
    content = lexicon()
    polly.put_lexicon(Name="mine", Content=content, Tags={"team": "audio"})
    got = polly.get_lexicon(Name="mine")
    assert got["Lexicon"] == {"Content": content, "Name": "mine"}
    attributes = got["LexiconAttributes"]
    assert (attributes["LexemesCount"], attributes["LanguageCode"], attributes["Alphabet"]) == (
        1,
        "en-US",
        "ipa",
    )
    (listed,) = polly.list_lexicons()["Lexicons"]
    assert listed == {"Name": "mine", "Attributes": attributes}
    arn = attributes["LexiconArn"]
    polly.tag_resource(ResourceArn=arn, Tags={"cost": "low"})
    polly.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert polly.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"cost": "low"}
    polly.delete_lexicon(Name="mine")
    assert polly.list_lexicons()["Lexicons"] == []
