"""The duration of a completed synthesis task's audio, read from its object in S3.

Polly does not report the duration. It can be computed from the size of the object. For mp3, the object's
first bytes are needed too. One request is enough: HeadObject returns the size, and GetObject with a range
returns the size and the first bytes. An Ogg file would have to be downloaded completely, so its duration is
not computed.

The synthesis task is already paid for, and the duration is only additional information. Therefore, an error
here never fails the Airflow task, and the timeouts are short.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.audio.duration import (
    START_BYTES,
    can_measure_object,
    needs_start,
    seconds_of_object,
)
from airflow_polly_provider.audio.wav import WAV, WavForm
from airflow_polly_provider.aws.errors import http_status
from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import PollyConnectionNotFoundError
from airflow_polly_provider.output.s3_access import S3Access
from airflow_polly_provider.settings import measure_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.aws.s3 import S3Location

log = logging.getLogger(__name__)

UNREACHABLE_SECONDS = 60.0
"""If S3 does not respond, a reader sends no request for this many seconds.

Many waits of a triggerer share one reader.
"""

_CLIENT_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
_OPERATIONS = frozenset({"GetObject", "HeadObject"})
_ABOUT_THE_OBJECT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "AccessDenied"})
_SWITCH = "set [aws_polly] measure_duration = False to send no such request"


def has_readable_duration(synthesis_task: Mapping[str, Any]) -> bool:
    """Return whether one request to S3 is enough to compute the duration of a synthesis task's audio.

    :param synthesis_task: a SynthesisTask, or its known fields
    """
    return (
        synthesis_task.get("TaskStatus") == TaskStatus.COMPLETED
        and can_measure_object(str(synthesis_task.get("OutputFormat")))
        and "DurationSeconds" not in synthesis_task
        and measure_duration()
    )


def with_duration(synthesis_task: Mapping[str, Any], s3_parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a SynthesisTask, and add ``DurationSeconds`` if the duration can be read. Raises no error.

    :param synthesis_task: a SynthesisTask whose ``OutputUri`` names the finished object
    :param s3_parameters: the parameters of S3Hook
    """
    return DurationReader(s3_parameters).with_duration(synthesis_task)


def _header_bytes(synthesis_task: Mapping[str, Any]) -> int:
    """Return the size of the header before the audio in the object; 0 if it has no header."""
    is_wav = synthesis_task.get("OutputContainer") == WAV
    return WavForm.of_request(synthesis_task).header_bytes if is_wav else 0


class DurationReader:
    """Reads the duration of audio in S3, with one request for each object.

    It has its own client, because its time-outs are shorter than those of other requests.

    :param s3_parameters: the parameters of S3Hook
    :param max_pool_connections: how many threads use the reader at the same time. Before several threads use
        it, and from time to time, the main thread must call :meth:`prepare`
    """

    def __init__(self, s3_parameters: Mapping[str, Any], *, max_pool_connections: int = 10) -> None:
        self._s3 = S3Access(
            s3_parameters,
            max_pool_connections=max_pool_connections,
            config=_CLIENT_CONFIG,
            look_up_seconds=0.0,
        )
        self._unreachable_until = 0.0
        self._renew_not_before = 0.0

    def prepare(self) -> None:
        """Create the client, or replace it after an error. Call it in the main thread. Raises no error."""
        if not measure_duration():
            return
        try:
            self._s3.prepare()
        except Exception as error:  # noqa: BLE001 - no error may fail a task whose synthesis task is paid for
            self._unreachable_until = time.monotonic() + UNREACHABLE_SECONDS
            log.warning("The results have no DurationSeconds, because S3 cannot be used: %s", error)

    def with_duration(
        self, synthesis_task: Mapping[str, Any], *, size: int | None = None
    ) -> Mapping[str, Any]:
        """Return a SynthesisTask, and add ``DurationSeconds`` if the duration can be read. Raises no error.

        :param synthesis_task: a SynthesisTask whose ``OutputUri`` names the finished object
        :param size: the object's size in bytes, if it is known. It saves the request, except for mp3
        """
        if not has_readable_duration(synthesis_task):
            return synthesis_task
        seconds = self._seconds(synthesis_task, size)
        return synthesis_task if seconds is None else {**synthesis_task, "DurationSeconds": round(seconds, 3)}

    def _seconds(self, synthesis_task: Mapping[str, Any], size: int | None) -> float | None:
        output_uri = synthesis_task.get("OutputUri")
        is_known = size is not None and not needs_start(str(synthesis_task.get("OutputFormat")))
        if not is_known and time.monotonic() < self._unreachable_until:
            log.info("The duration of %s is not read: S3 did not respond a moment ago", output_uri)
            return None
        try:
            output_format = synthesis_task["OutputFormat"]
            start = None
            if size is None or not is_known:
                size, start = self._size_and_start(parse_output_uri(str(output_uri)), output_format)
            size -= _header_bytes(synthesis_task)
            seconds = seconds_of_object(output_format, synthesis_task.get("SampleRate"), size, start)
        except Exception as error:  # noqa: BLE001 - no error may fail a task whose synthesis task is paid for
            self._note(error, output_uri)
            return None
        if seconds is None:
            log.info(
                "The duration of %s is unknown: it does not begin like audio that Polly wrote", output_uri
            )
        return seconds

    def _size_and_start(self, location: S3Location, output_format: str) -> tuple[int, bytes | None]:
        """Return an object's size in bytes and, if the format needs them, its first bytes."""
        place = {"Bucket": location.bucket, "Key": location.key}
        if not needs_start(output_format):
            return self._s3.client.head_object(**place)["ContentLength"], None
        answer = self._s3.client.get_object(**place, Range=f"bytes=0-{START_BYTES - 1}")
        with closing(answer["Body"]) as body:
            start: bytes = body.read(START_BYTES)
        # An S3-compatible service may ignore the range and return the whole object.
        _, _, size = answer.get("ContentRange", "").rpartition("/")
        return int(size or answer["ContentLength"]), start

    def _renew_client_after(self, error: Exception) -> None:
        """Discard the client, so that the next request uses a new one with new credentials.

        A new client needs much more time than a request. So the client is kept if S3 answered that the object
        is missing or access is denied.
        """
        code = None
        if isinstance(error, ClientError) and error.operation_name in _OPERATIONS:
            code = error.response.get("Error", {}).get("Code")
        if code in _ABOUT_THE_OBJECT:
            return
        # The response to HeadObject has no body, so this code can also mean that the credentials expired.
        if code == "403":
            if time.monotonic() < self._renew_not_before:
                return
            self._renew_not_before = time.monotonic() + UNREACHABLE_SECONDS
        self._s3.renew()

    def _note(self, error: Exception, output_uri: object) -> None:
        """Log why the duration is missing, and discard the client if its credentials may be the cause."""
        self._renew_client_after(error)
        status = http_status(error) if isinstance(error, ClientError) else None
        by_s3 = isinstance(error, ClientError) and error.operation_name in _OPERATIONS
        if by_s3 and status == 403:
            log.info(
                "The results have no DurationSeconds, because S3 denies access to %s: %s. If you need the "
                "duration, allow s3:GetObject on the object. Otherwise %s.",
                output_uri,
                error,
                _SWITCH,
            )
            return
        if by_s3 and status == 404:
            log.info("The results have no DurationSeconds, because %s does not exist: %s", output_uri, error)
            return
        if isinstance(error, BotoCoreError | PollyConnectionNotFoundError):
            self._unreachable_until = time.monotonic() + UNREACHABLE_SECONDS
        log.warning(
            "The results have no DurationSeconds, because the size of %s could not be read: %s. If Airflow "
            "has no access to S3, %s.",
            output_uri,
            error,
            _SWITCH,
        )
