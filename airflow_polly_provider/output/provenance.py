"""Where a run's output shall go, and what an object tells of its making."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from airflow_polly_provider.aws.s3 import S3Location, parse_output_uri, validate_key
from airflow_polly_provider.aws.service_model import aws_domains
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.native import validate_string_or_integer
from airflow_polly_provider.start.token import speech_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.start.current_run import CurrentRun

_TASK_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def validate_output_key(key: object, prefix: str | None) -> str:
    """Return ``output_s3_key`` if an object can be put there.

    :param key: the rendered value
    :param prefix: ``OutputS3KeyPrefix`` as Polly gets it
    :raises PollyInvalidRequestError: neither a string nor an integer, empty, a folder, too long, a URI, or a
        key that Polly itself writes to
    """
    parameter = "output_s3_key"
    valid = validate_key(validate_string_or_integer(key, parameter), parameter=parameter)
    if is_pollys_key(valid, prefix):
        raise PollyInvalidRequestError(
            f"output_s3_key {valid!r:.100} is one that Polly itself may write to; give one without a TaskId."
        )
    return valid


def is_pollys_key(key: str, prefix: str | None) -> bool:
    """Tell whether a key has the form of those that Polly makes up.

    :param key: the key
    :param prefix: ``OutputS3KeyPrefix`` as Polly gets it
    """
    beginning = re.escape(f"{prefix}.") if prefix else ""
    return re.fullmatch(rf"{beginning}{_TASK_ID}\.\w+", key) is not None


@dataclass(frozen=True, kw_only=True)
class OutputPlan:
    """Where a run's output goes and what it is known by there. A deferral keeps it.

    :param bucket: the output bucket
    :param key: ``output_s3_key``, checked
    :param prefix: ``OutputS3KeyPrefix`` as Polly gets it
    :param run_token: the token of the request in its run
    :param speech_digest: digest of all that shapes what is spoken
    """

    bucket: str
    key: str
    prefix: str | None
    run_token: str
    speech_digest: str

    @property
    def location(self) -> S3Location:
        """The place in S3."""
        return S3Location(self.bucket, self.key)


def output_plan(key: str, request: Mapping[str, Any], token: str, lexicons: Mapping[str, str]) -> OutputPlan:
    """Return where a run's output goes and what it is known by there.

    :param key: what :func:`validate_output_key` returned
    :param request: the request as Polly gets it
    :param token: the token of the request in this run
    :param lexicons: the contents of the lexicons that shape the digest, by name
    """
    return OutputPlan(
        bucket=request["OutputS3BucketName"],
        key=key,
        prefix=request.get("OutputS3KeyPrefix"),
        run_token=token,
        speech_digest=speech_digest(request, lexicons),
    )


class Provenance(NamedTuple):
    """What made an object, as its metadata tells.

    :param task_id: Polly's ``TaskId``
    :param output_uri: where Polly wrote it
    :param creation_time: of the synthesis task, in ISO 8601
    :param request_characters: what was billed
    :param run_token: the token of the request in the run that made it
    :param speech_digest: digest of all that shapes what is spoken
    :param run_began: when that run began, in ISO 8601; empty where an earlier version of this package put the
        object there
    """

    task_id: str
    output_uri: str
    creation_time: str
    request_characters: str
    run_token: str
    speech_digest: str
    run_began: str = ""

    def is_of_an_earlier_try(self, run: CurrentRun, token: str) -> bool:
        """Return whether an earlier try of a run made it.

        A run that was deleted and created again, whose first try has put nothing anywhere yet, has the token
        of the deleted one.

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
        """Return it as an object's metadata."""
        return {_metadata_name(field): value for field, value in self._asdict().items()}


def _metadata_name(field: str) -> str:
    return f"polly-{field.replace('_', '-')}"


def provenance_in(metadata: Mapping[str, str], bucket: str) -> Provenance | None:
    """Return what made an object, None if it was not put there by this package.

    Whoever may write the object may write its metadata. So nothing in it may lead anywhere but to the bucket
    that it lies in.

    :param metadata: the object's
    :param bucket: the bucket that it lies in, which is the one that Polly wrote to
    """
    made = Provenance(*(metadata.get(_metadata_name(field), "") for field in Provenance._fields))
    try:
        original = parse_output_uri(made.output_uri)
        int(made.request_characters)
        host = urlsplit(made.output_uri).hostname or ""
    except ValueError:
        return None
    in_s3 = re.match(rf"(?:{re.escape(bucket)}\.)?s3[.-]", host) and host.endswith(aws_domains())
    return made if original.bucket == bucket and in_s3 else None
