"""Puts a finished object at the key that the user chose.

Polly adds its TaskId to every key. So this package copies the object inside S3, or writes it as a WAV file,
and removes the original. It records the object's origin in the copy's metadata, so that later tries and later
runs recognize the object.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from airflow_polly_provider.aws.errors import http_status, translate_aws_errors
from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.task_status import TaskStatus
from airflow_polly_provider.exceptions import (
    PollyConfigurationError,
    PollyConnectionNotFoundError,
    PollyOutputObjectError,
)
from airflow_polly_provider.output.multipart import StoredObject
from airflow_polly_provider.output.provenance import Provenance, is_pollys_key, provenance_in
from airflow_polly_provider.output.s3_access import COPY_PART_BYTES
from airflow_polly_provider.output.wav_copy import write_wav
from airflow_polly_provider.request.billing import billed_by_count
from airflow_polly_provider.results.synthesis_task import to_xcom_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.output.provenance import OutputPlan
    from airflow_polly_provider.output.s3_access import S3Access
    from airflow_polly_provider.start.current_run import CurrentRun

log = logging.getLogger(__name__)

_COPY_ACTIONS = (
    "s3:GetObject on the original, s3:PutObject on output_s3_key and, if a KMS key encrypts the bucket, "
    "kms:Decrypt and kms:GenerateDataKey on that key"
)
_ACTIONS = {
    "HeadObject": "s3:GetObject, and s3:ListBucket on the bucket,",
    "DeleteObject": "s3:DeleteObject on the original (or set keep_original=True)",
}

_NOT_ECHOED = frozenset({"Text", "OutputS3BucketName", "OutputS3KeyPrefix"})


class Reusable(NamedTuple):
    """An existing object that does not need to be made again.

    :param synthesis_task: the object's SynthesisTask. ``RequestCharacters`` is 0 if this run pays nothing;
        ``SpokenCharacters`` is always the billed length of the object's speech
    :param provenance: the origin that the object's metadata records
    :param by_this_run: whether an earlier try of this run put the object there
    :param size: the object's size in bytes; None if S3 did not report it
    """

    synthesis_task: dict[str, Any]
    provenance: Provenance
    by_this_run: bool
    size: int | None = None


class OutputPlacement:
    """Recognizes an existing object at ``output_s3_key``, or puts the object there.

    :param plan: the location, and the values that identify the object
    :param run: the run that makes the object
    :param hook: the hook, whose connection is named in error messages
    :param s3: the access to S3, which many placements can share
    :param keep_original: whether to also keep the object where Polly wrote it
    :param skip_if_unchanged: whether to reuse an object that any run made from the same request
    :param adoptable: whether a retry finds the synthesis task again (``durable``)
    """

    def __init__(
        self,
        plan: OutputPlan,
        run: CurrentRun,
        *,
        hook: PollyHook,
        s3: S3Access,
        keep_original: bool,
        skip_if_unchanged: bool,
        adoptable: bool,
    ) -> None:
        self.plan = plan
        self._run = run
        self._hook = hook
        self._s3 = s3
        self._keep_original = keep_original
        self._skip_if_unchanged = skip_if_unchanged
        self._made_now = {"Unchanged": False} if skip_if_unchanged else {}
        self._adoptable = adoptable

    def find_reusable(self, request: Mapping[str, Any]) -> Reusable | None:
        """Return the existing object if it can be reused, otherwise None.

        It can be reused if an earlier try of this run made it. With ``skip_if_unchanged``, it can also be
        reused if any run made it from the same text, voice, lexicons and other speech parameters.

        :param request: this run's request
        :raises PollyConfigurationError: S3 denies access to the object's metadata
        :raises PollyOutputObjectError: S3 failed to return the object's metadata
        """
        head = self._head_before_start()
        made = self._provenance_in(head)
        if head is None or made is None:
            return None
        size = head.get("ContentLength")
        billed = int(made.request_characters)
        synthesis_task = {
            **{name: value for name, value in request.items() if name not in _NOT_ECHOED},
            **self.plan.container,
            "TaskId": made.task_id,
            "TaskStatus": TaskStatus.COMPLETED.value,
            "OutputUri": self._final_uri(made.output_uri),
            "CreationTime": made.creation_time,
            "RequestCharacters": billed,
            # 0 means unknown: count this request instead.
            "SpokenCharacters": billed if billed > 0 else billed_by_count(request),
        }
        if made.is_of_an_earlier_try(self._run, self.plan.run_token):
            log.info("%s already exists: an earlier try of this run put it there", self.plan.location.uri)
            return Reusable(synthesis_task | self._made_now, made, by_this_run=True, size=size)
        if self._skip_if_unchanged and made.speech_digest == self.plan.speech_digest:
            synthesis_task |= {"RequestCharacters": 0, "Unchanged": True}
            return Reusable(synthesis_task, made, by_this_run=False, size=size)
        return None

    def remove_leftover_original(self, made: Provenance) -> None:
        """Remove the original that Polly wrote, if an earlier try ended between the copy and the removal.

        :param made: the origin that the object's metadata records
        :raises PollyOutputObjectError: the original could not be removed
        """
        # Everyone who can write the object can write its metadata. Therefore, an object is removed only if
        # its key has the form of Polly's keys.
        if is_pollys_key(parse_output_uri(made.output_uri).key, self.plan.prefix):
            self._remove_original(made)

    def is_made_from(self, original: S3Location) -> bool:
        """Return whether the object at ``output_s3_key`` is a copy of the object at ``original``.

        :param original: where Polly wrote it
        """
        made = self._provenance_in(self._s3.head(self.plan.location))
        return made is not None and parse_output_uri(made.output_uri) == original

    def put(self, synthesis_task: Mapping[str, Any]) -> dict[str, Any]:
        """Move a completed synthesis task's object to ``output_s3_key``.

        Return the SynthesisTask with its new ``OutputUri``. After a crash at any point, the call can be
        repeated safely.

        :param synthesis_task: the SynthesisTask
        :raises PollyOutputObjectError: the object could not be copied, or the original could not be removed
        """
        value = to_xcom_value(synthesis_task)
        made = Provenance(
            task_id=value["TaskId"],
            output_uri=value["OutputUri"],
            creation_time=value.get("CreationTime", "unknown"),
            request_characters=str(value.get("RequestCharacters", 0)),
            run_token=self.plan.run_token,
            speech_digest=self.plan.speech_digest,
            run_began=self._run.began,
        )
        with self._translate_errors(made, "but copying its output failed", self._adoptable):
            original = parse_output_uri(made.output_uri)
            # An earlier try that is still running may just have copied and removed the original.
            if not self._copy(original, made) and not self.is_made_from(original):
                raise PollyOutputObjectError(
                    f"Synthesis task {made.task_id} completed, but its object is gone from {original.uri}. "
                    "Find out what removed or moved it. The next try starts and pays for a new synthesis "
                    "task.",
                    synthesis_task_id=made.task_id,
                    task_status=TaskStatus.COMPLETED.value,
                )
        self._remove_original(made)
        final = {"OutputUri": self._final_uri(made.output_uri), **self.plan.container}
        return {**synthesis_task, **final, **self._made_now}

    def _final_uri(self, output_uri: str) -> str:
        """Return the ``OutputUri`` of the final key, in the form that Polly uses."""
        return output_uri.removesuffix(parse_output_uri(output_uri).key) + self.plan.key

    def _head_before_start(self) -> Mapping[str, Any] | None:
        uri = self.plan.location.uri
        with translate_aws_errors(self._hook, "s3:GetObject"):
            try:
                return self._s3.head(self.plan.location)
            except ClientError as error:
                if error.operation_name != "HeadObject":
                    raise
                if http_status(error) != 403:
                    raise PollyOutputObjectError(
                        f"Cannot check whether {uri} already exists, so no synthesis task was started: "
                        f"{error}"
                    ) from error
                raise PollyConfigurationError(
                    f"AWS denied access to {uri}, so no synthesis task was started. Allow s3:GetObject on "
                    "it, and s3:ListBucket on the bucket (without it, S3 reports a missing object as "
                    f"forbidden), to the identity that was used ({self._hook.describe_connection()})."
                ) from error

    def _provenance_in(self, head: Mapping[str, Any] | None) -> Provenance | None:
        return None if head is None else provenance_in(head["Metadata"], self.plan.bucket)

    def _copy(self, original: S3Location, made: Provenance) -> bool:
        """Copy the object inside S3. Return False if the original does not exist."""
        try:
            return self._copy_as_it_is(original, made)
        except ClientError as error:
            if http_status(error) != 412:
                raise
            log.info("%s was replaced before it was copied; copying the new object", original.uri)
            return self._copy_as_it_is(original, made)

    def _copy_as_it_is(self, original: S3Location, made: Provenance) -> bool:
        """Copy the object, unless it is replaced meanwhile. Return False if the original does not exist."""
        head = self._s3.head(original)
        if head is None:
            return False
        size = head["ContentLength"]
        log.info("Copying %s (%d bytes) to %s", original.uri, size, self.plan.location.uri)
        try:
            if self.plan.wav is None:
                self._s3.copy(original, head, self.plan.location, made.metadata())
            else:
                write_wav(
                    self._s3.client,
                    StoredObject(original, size, head["ETag"]),
                    self.plan.location,
                    self.plan.wav,
                    metadata=made.metadata(),
                    largest_part_bytes=COPY_PART_BYTES,
                )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NoSuchUpload":
                # The parts were removed, or the upload was completed and the response was lost.
                if self.is_made_from(original):
                    return True
                raise
            if http_status(error) == 404:
                return False
            raise
        return True

    def _remove_original(self, made: Provenance) -> None:
        original = parse_output_uri(made.output_uri)
        if self._keep_original or original == self.plan.location:
            return
        failure = f"and its output is at {self.plan.location.uri}, but removing the original failed"
        with self._translate_errors(made, failure, adoptable=True):
            self._s3.client.delete_object(Bucket=original.bucket, Key=original.key)

    @contextmanager
    def _translate_errors(self, made: Provenance, failure: str, adoptable: bool) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, PollyConnectionNotFoundError, ValueError) as error:
            hint = ""
            if isinstance(error, ClientError) and http_status(error) == 403:
                actions = _ACTIONS.get(error.operation_name, _COPY_ACTIONS)
                hint = f" Allow {actions} to the identity that was used ({self._hook.describe_connection()})."
            then = (
                "The next try of this task continues from there and pays nothing. A cleared task may start a "
                "new synthesis task."
                if adoptable
                else "With durable=False, the next try starts and pays for a new synthesis task."
            )
            raise PollyOutputObjectError(
                f"Synthesis task {made.task_id} completed, {failure}: {error}.{hint} "
                f"The original is at {made.output_uri}. {then}",
                synthesis_task_id=made.task_id,
                task_status=TaskStatus.COMPLETED.value,
            ) from error


def output_exists(original: S3Location, *, s3: S3Access, placement: OutputPlacement | None) -> bool:
    """Return whether the output of a completed synthesis task exists.

    The output may be where Polly wrote it, or at ``output_s3_key``.

    :param original: where Polly wrote it
    :param s3: the access to S3
    :param placement: the placement of this run, if it has an ``output_s3_key``
    """
    try:
        exists = s3.head(original) is not None
    except ClientError as error:
        log.info("Cannot check whether %s exists (%s); assuming that it does", original.uri, error)
        return True
    return exists or (placement is not None and placement.is_made_from(original))
