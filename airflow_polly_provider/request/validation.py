"""Builds and checks the requests for StartSpeechSynthesisTask and SynthesizeSpeech.

Lengths, sample rates and combinations come from AWS's documentation. Names and patterns come from the service
model of the installed botocore. An upgrade of botocore therefore adds new ones.
"""

from __future__ import annotations

import difflib
import functools
import logging
import re
from collections.abc import Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.aws.service_model import upgrade_hint
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.native import digits_of, validate_string
from airflow_polly_provider.request.rules import (
    SPEECH_MARKS_FORMAT,
    SPEECH_RULES,
    SYNTHESIS_TASK_RULES,
)
from airflow_polly_provider.text.limits import billed_characters, total_characters
from airflow_polly_provider.text.well_formed import validate_well_formed

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import Shape

    from airflow_polly_provider.request.rules import (
        RequestRules,
    )

log = logging.getLogger(__name__)


_LISTS = frozenset({"LexiconNames", "SpeechMarkTypes"})

_MAY_BE_DIGITS = frozenset({"Text", "OutputS3KeyPrefix"})

_OPEN_ENUMS = frozenset({"VoiceId", "Engine", "LanguageCode"})
"""Members to which AWS often adds values. Polly checks the values that botocore does not know."""

_PATTERN_MEANINGS = {
    "OutputS3BucketName": (
        "the name of an S3 bucket without s3:// and without a path: 3 to 63 lower-case letters, digits, dots "
        "and hyphens, with a letter or digit at both ends"
    ),
    "OutputS3KeyPrefix": (
        "at most 800 of the characters 0-9 a-z A-Z / ! - _ . * ' ( ) : ; $ @ = + , ? & "
        "(no spaces, no accents)"
    ),
    "SnsTopicArn": "the ARN of an SNS topic, such as arn:aws:sns:us-east-1:123456789012:my-topic",
    "LexiconNames": "up to 5 names of 1 to 20 letters and digits each",
}


def build_request(
    rules: RequestRules = SYNTHESIS_TASK_RULES, warn: Callable[..., None] = log.warning, /, **parameters: Any
) -> dict[str, Any]:
    """Check a request and return it. Parameters that are None are left out.

    :param rules: the limits of the operation
    :param warn: receives each warning, as the arguments of ``Logger.warning``; they never contain the text
    :param parameters: the members of the request, with AWS's names (``Text``, ``VoiceId``, …)
    :raises PollyInvalidRequestError: Polly would reject the request; nothing has been sent
    """
    request = {name: value for name, value in parameters.items() if value is not None}
    if "SampleRate" in request:
        request["SampleRate"] = str(request["SampleRate"])
    for name in _LISTS & request.keys():
        request[name] = _as_list(name, request[name])
    for name in _MAY_BE_DIGITS & request.keys():
        request[name] = digits_of(request[name])
    # _check_text has a separate error for a missing or empty Text.
    required = [name for name in rules.shape.required_members if name != "Text"]
    if missing := [_parameter(name) for name in required if request.get(name) in (None, "")]:
        raise PollyInvalidRequestError(
            f"Missing required parameter: {', '.join(missing)} (not given, None or empty)."
        )
    _check_text(request, rules)
    _warn_about_ssml_as_text(request, warn)
    for name, value in request.items():
        check_member(name, value, rules, warn)
    _check_sample_rate(request, rules.sample_rates)
    _check_speech_marks(request)
    return request


def build_speech_request(**parameters: Any) -> dict[str, Any]:
    """Check a SynthesizeSpeech request and return it. Parameters that are None are left out.

    :param parameters: the members of the request, with AWS's names (``Text``, ``VoiceId``, …)
    :raises PollyInvalidRequestError: Polly would reject the request; nothing has been sent
    """
    return build_request(SPEECH_RULES, **parameters)


def _check_text(request: Mapping[str, Any], rules: RequestRules) -> None:
    text = validate_string(request.get("Text"), "text")
    if not text.strip():
        raise PollyInvalidRequestError(
            f"text is empty ({len(text)} characters of white space). Check its rendered template."
        )
    is_ssml = request.get("TextType") == "ssml"
    billed, total = billed_characters(text, ssml=is_ssml), total_characters(text, ssml=is_ssml)
    if total > rules.max_total_characters or billed > rules.max_billed_characters:
        raise PollyInvalidRequestError(
            f"text is too long for {rules.speaks_in}: {total:,} characters, {billed:,} of them billed. "
            f"Polly accepts {rules.max_total_characters:,} characters in total and "
            f"{rules.max_billed_characters:,} billed ones (SSML tags are not billed). {rules.when_too_long}"
        )
    if is_ssml:
        validate_well_formed(text)


def _warn_about_ssml_as_text(request: Mapping[str, Any], warn: Callable[..., None]) -> None:
    text_type = request.get("TextType")
    if text_type != "ssml" and request["Text"].lstrip().startswith("<speak"):
        warn(
            "text begins with <speak, but text_type is %r: Polly speaks and bills the tags as text. If text "
            "is SSML, set text_type to 'ssml'.",
            text_type,
        )


def check_member(
    name: str,
    value: Any,
    rules: RequestRules = SYNTHESIS_TASK_RULES,
    warn: Callable[..., None] = log.warning,
) -> None:
    """Raise an error if the service model does not allow the value of a member.

    :param name: name of the member, as AWS writes it
    :param value: value of the member
    :param rules: the limits of the operation
    :param warn: receives each warning, as the arguments of ``Logger.warning``
    :raises PollyInvalidRequestError: the value has the wrong type, is unknown or does not match the pattern
    """
    member = rules.shape.members[name]
    if member.type_name == "list":
        _check_list(name, value, member, warn)
    else:
        _check_string(name, value, member, warn)


def _as_list(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise PollyInvalidRequestError(f"{_parameter(name)} must be a list of strings, not {values!r:.100}.")
    # The XComs of a mapped task are a lazy sequence, which botocore does not accept as a list. A set has no
    # order, but the digest of the request depends on the order.
    ordered = sorted(values, key=str) if isinstance(values, Set) else values
    return [digits_of(value) for value in ordered]


def _check_list(name: str, values: list[Any], member: Any, warn: Callable[..., None]) -> None:
    maximum = member.metadata.get("max")
    if maximum is not None and len(values) > maximum:
        raise PollyInvalidRequestError(
            f"{_parameter(name)} has {len(values)} entries; Polly accepts at most {maximum}."
        )
    for value in values:
        validate_string(value, f"Each entry of {_parameter(name)}")
        _check_string(name, value, member.member, warn)


def _check_string(name: str, value: Any, shape: Shape, warn: Callable[..., None]) -> None:
    value = validate_string(value, _parameter(name))
    known = shape.metadata.get("enum")
    if known and value not in known:
        if name not in _OPEN_ENUMS:
            unknown = f"{_parameter(name)} {value!r} is not one of {', '.join(known)}."
            raise PollyInvalidRequestError(f"{unknown} {upgrade_hint(value)}".strip())
        close = _closest(value, tuple(known))
        warn(
            "The installed botocore does not know %s %r%s. The request is sent, and Polly checks the value.",
            _parameter(name),
            value,
            f" (closest: {', '.join(close)})" if close else "",
        )
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        meaning = _PATTERN_MEANINGS.get(name, f"a string that matches {pattern}")
        raise PollyInvalidRequestError(
            f"Invalid {_parameter(name)} {value!r:.100} ({len(value)} characters): it must be {meaning}."
        )


# A batch can contain the same unknown name thousands of times.
@functools.lru_cache(maxsize=256)
def _closest(value: str, known: tuple[str, ...]) -> list[str]:
    return difflib.get_close_matches(value, known, n=3)


def _check_sample_rate(request: Mapping[str, Any], sample_rates: Mapping[str, tuple[str, ...]]) -> None:
    output_format, rate = request.get("OutputFormat", ""), request.get("SampleRate")
    # AWS documents no rates for json, and this table may lack a new format. In both cases, Polly checks the
    # rate.
    if rate is None or output_format not in sample_rates:
        return
    valid = sample_rates[output_format]
    if rate not in valid:
        raise PollyInvalidRequestError(
            f"sample_rate {rate!r} is not valid for output_format {output_format!r}. Valid sample rates in "
            f"Hz: {', '.join(valid)}."
        )


def _check_speech_marks(request: Mapping[str, Any]) -> None:
    marks = request.get("SpeechMarkTypes")
    if not marks:
        return
    if request.get("OutputFormat") != SPEECH_MARKS_FORMAT:
        raise PollyInvalidRequestError(
            f"speech_mark_types needs output_format {SPEECH_MARKS_FORMAT!r}, "
            f"not {request.get('OutputFormat')!r}. Polly returns either audio or speech marks: use two "
            "requests to get both."
        )
    if "ssml" in marks and request.get("TextType") != "ssml":
        raise PollyInvalidRequestError(
            "speech_mark_types 'ssml' needs text_type 'ssml' and SSML in text. "
            "For plain text the valid values are sentence, viseme and word."
        )


@functools.cache
def _parameter(member_name: str) -> str:
    """Return the operator's parameter for an AWS member: ``OutputS3KeyPrefix`` → ``output_s3_key_prefix``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member_name).lower()
