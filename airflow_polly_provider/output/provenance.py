"""The planned location of a run's output, and the origin that an object's metadata records."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from airflow_polly_provider.audio.wav import WAV, WavForm
from airflow_polly_provider.aws.s3 import S3Location, parse_output_uri, validate_key
from airflow_polly_provider.aws.service_model import aws_domains
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.native import validate_string_or_integer
from airflow_polly_provider.start.token import speech_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.start.current_run import CurrentRun

TASK_ID_PATTERN = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""The form of Polly's TaskIds, as a regular expression."""
_POLLYS_NAME = re.compile(rf"{TASK_ID_PATTERN}\.\w+")


def validate_output_key(key: object, prefix: str | None) -> str:
    """Return ``output_s3_key`` after checking it.

    :param key: the rendered value
    :param prefix: ``OutputS3KeyPrefix`` as it is sent to Polly
    :raises PollyInvalidRequestError: the key is not a string or an integer, is empty or too long, is a folder
        or a URI, or has the form of Polly's own keys
    """
    parameter = "output_s3_key"
    valid = validate_key(validate_string_or_integer(key, parameter), parameter=parameter)
    if is_pollys_key(valid, prefix):
        raise PollyInvalidRequestError(
            f"output_s3_key {valid!r:.100} has the form of Polly's own keys; give a key without a TaskId."
        )
    return valid


def is_pollys_key(key: str, prefix: str | None) -> bool:
    """Return whether a key has the form of Polly's own keys.

    :param key: the key
    :param prefix: ``OutputS3KeyPrefix`` as it is sent to Polly
    """
    beginning = f"{prefix}." if prefix else ""
    return key.startswith(beginning) and _POLLYS_NAME.fullmatch(key, len(beginning)) is not None


@dataclass(frozen=True, kw_only=True)
class OutputPlan:
    """The location of a run's output, and the values that identify the output. A deferral stores the plan.

    :param bucket: the output bucket
    :param key: ``output_s3_key``, already checked
    :param prefix: ``OutputS3KeyPrefix`` as it is sent to Polly
    :param run_token: the token of the request in its run
    :param speech_digest: the digest of everything that affects the audio object
    :param wav: the format of the WAV file; None for an unchanged copy of Polly's object
    """

    bucket: str
    key: str
    prefix: str | None
    run_token: str
    speech_digest: str
    wav: WavForm | None = None

    @property
    def location(self) -> S3Location:
        """The location in S3."""
        return S3Location(self.bucket, self.key)

    @property
    def container(self) -> dict[str, str]:
        """The result field with the container format of the audio; empty if there is no container."""
        return {} if self.wav is None else {"OutputContainer": WAV}

    def stored(self) -> dict[str, Any]:
        """Return the plan as a deferral stores it. As in earlier versions, a copy's plan has no ``wav``."""
        return {name: value for name, value in asdict(self).items() if name != "wav" or value is not None}

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> OutputPlan:
        """Return the plan that a deferral stored.

        :param stored: the value that :meth:`stored` returned, in this version or in an earlier one
        """
        wav = stored.get("wav")
        return cls(**{**stored, "wav": None if wav is None else WavForm(**wav)})


def output_plan(
    key: str,
    request: Mapping[str, Any],
    token: str,
    lexicons: Mapping[str, str],
    wav: WavForm | None = None,
) -> OutputPlan:
    """Return the plan for a run's output.

    :param key: the key from :func:`validate_output_key`
    :param request: the request as it is sent to Polly
    :param token: the token of the request in this run
    :param lexicons: the contents of the lexicons that are part of the digest, by name
    :param wav: the format of the WAV file; None if the object is not a WAV file
    """
    return OutputPlan(
        bucket=request["OutputS3BucketName"],
        key=key,
        prefix=request.get("OutputS3KeyPrefix"),
        run_token=token,
        speech_digest=speech_digest(request, lexicons, None if wav is None else WAV),
        wav=wav,
    )


class Provenance(NamedTuple):
    """The origin of an object, as its metadata records it.

    :param task_id: Polly's ``TaskId``
    :param output_uri: the ``OutputUri`` of the original that Polly wrote
    :param creation_time: the creation time of the synthesis task, in ISO 8601
    :param request_characters: the number of billed characters
    :param run_token: the token of the request in the run that made the object
    :param speech_digest: the digest of everything that affects the speech
    :param run_began: when that run began, in ISO 8601; empty if an earlier version of this package copied the
        object to its key
    """

    task_id: str
    output_uri: str
    creation_time: str
    request_characters: str
    run_token: str
    speech_digest: str
    run_began: str = ""

    def is_of_an_earlier_try(self, run: CurrentRun, token: str) -> bool:
        """Return whether an earlier try of a run made the object.

        The token alone does not prove it: a run that was deleted and created again has the same token as the
        deleted one. Therefore, the result is False in a first try. In later tries, the start time of the run
        must match too.

        :param run: the run
        :param token: the token of its request
        """
        if run.try_number == 1 or self.run_token != token:
            return False
        if self.run_began:
            return self.run_began == run.began
        try:
            return datetime.fromisoformat(self.creation_time) >= run.earliest_start
        except (ValueError, TypeError):
            return True

    def metadata(self) -> dict[str, str]:
        """Return the origin as an object's metadata."""
        return {_metadata_name(field): value for field, value in self._asdict().items()}


def _metadata_name(field: str) -> str:
    return f"polly-{field.replace('_', '-')}"


def provenance_in(metadata: Mapping[str, str], bucket: str) -> Provenance | None:
    """Return the origin of an object, or None if this package did not put the object at its key.

    Everyone who can write the object can write its metadata. Therefore, an origin is accepted only if the
    original is in the same bucket, at an S3 endpoint of AWS.

    :param metadata: the object's metadata
    :param bucket: the object's bucket, which is also the bucket that Polly wrote to
    """
    made = Provenance(*(metadata.get(_metadata_name(field), "") for field in Provenance._fields))
    try:
        int(made.request_characters)
    except ValueError:
        return None
    return made if is_in_bucket(made.output_uri, bucket) else None


def is_in_bucket(output_uri: str, bucket: str) -> bool:
    """Return whether an ``OutputUri`` names an object in a bucket, at an S3 endpoint of AWS.

    :param output_uri: the ``OutputUri``, which may be forged
    :param bucket: the bucket
    """
    try:
        location = parse_output_uri(output_uri)
        host = urlsplit(output_uri).hostname or ""
    except ValueError:
        return False
    in_s3 = re.match(rf"(?:{re.escape(bucket)}\.)?s3[.-]", host) and host.endswith(aws_domains())
    return location.bucket == bucket and bool(in_s3)
