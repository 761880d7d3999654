"""A finished object at the key that the user named.

Polly ends every key in its own TaskId. So the object is copied inside S3 and the original is removed. What
made it is written into the copy's metadata, by which later tries and later runs know it again.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cached_property
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
from airflow_polly_provider.output.provenance import Provenance, is_pollys_key, provenance_in
from airflow_polly_provider.request.billing import billed_by_count
from airflow_polly_provider.results.synthesis_task import to_xcom_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_polly_provider.aws.s3 import S3Location
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.output.provenance import OutputPlan
    from airflow_polly_provider.start.current_run import CurrentRun

log = logging.getLogger(__name__)

COPY_PART_BYTES = 256 * 1024 * 1024
"""The size from which an object is copied in parts, and the size of a part.

S3 copies at most 5 GB with one CopyObject. A smaller object is copied with that one request, so its copy is
there whole or not at all.
"""

_COPY_ACTIONS = (
    "s3:GetObject on the original, s3:PutObject on output_s3_key and, where a KMS key encrypts the bucket, "
    "kms:Decrypt and kms:GenerateDataKey on that key"
)
_ACTIONS = {
    "HeadObject": "s3:GetObject, and s3:ListBucket on the bucket,",
    "DeleteObject": "s3:DeleteObject on the original (or give keep_original=True)",
}

_NOT_ECHOED = frozenset({"Text", "OutputS3BucketName", "OutputS3KeyPrefix"})


class Reusable(NamedTuple):
    """An object that is there already.

    :param synthesis_task: the SynthesisTask that it stands for; ``RequestCharacters`` is 0 where this run
        pays nothing, ``SpokenCharacters`` the length of what the object holds all the same
    :param provenance: what its metadata tells
    :param by_this_run: whether an earlier try of this run put it there
    """

    synthesis_task: dict[str, Any]
    provenance: Provenance
    by_this_run: bool


class OutputPlacement:
    """The object at ``output_s3_key``: recognizes one that is there, and puts one there.

    :param plan: where, and what it is known by
    :param run: the run that it is made in
    :param hook: names the connection in errors
    :param s3_parameters: what S3Hook is made with
    :param keep_original: whether the object stays where Polly wrote it, too
    :param skip_if_unchanged: whether an object that any run made of the same is as good as a new one
    :param adoptable: whether a retry finds the synthesis task again (``durable``)
    """

    def __init__(
        self,
        plan: OutputPlan,
        run: CurrentRun,
        *,
        hook: PollyHook,
        s3_parameters: Mapping[str, Any],
        keep_original: bool,
        skip_if_unchanged: bool,
        adoptable: bool,
    ) -> None:
        self.plan = plan
        self._run = run
        self._hook = hook
        self._s3_parameters = s3_parameters
        self._keep_original = keep_original
        self._skip_if_unchanged = skip_if_unchanged
        self._made_now = {"Unchanged": False} if skip_if_unchanged else {}
        self._adoptable = adoptable

    def find_reusable(self, request: Mapping[str, Any]) -> Reusable | None:
        """Return what is there already and need not be made again, None where it is to be made.

        That is what an earlier try of this run made, or, with ``skip_if_unchanged``, what any run made of the
        same text, voice, lexicons and so on.

        :param request: this run's request
        :raises PollyConfigurationError: S3 does not let us look
        """
        made = self._looked_at_first()
        if made is None:
            return None
        billed = int(made.request_characters)
        synthesis_task = {
            **{name: value for name, value in request.items() if name not in _NOT_ECHOED},
            "TaskId": made.task_id,
            "TaskStatus": TaskStatus.COMPLETED.value,
            "OutputUri": self._final_uri(made.output_uri),
            "CreationTime": made.creation_time,
            "RequestCharacters": billed,
            # 0 means unknown: count this request instead.
            "SpokenCharacters": billed if billed > 0 else billed_by_count(request),
        }
        if made.is_of_an_earlier_try(self._run, self.plan.run_token):
            log.info("%s is there already, put by an earlier try of this run", self.plan.location.uri)
            return Reusable(synthesis_task | self._made_now, made, by_this_run=True)
        if self._skip_if_unchanged and made.speech_digest == self.plan.speech_digest:
            synthesis_task |= {"RequestCharacters": 0, "Unchanged": True}
            return Reusable(synthesis_task, made, by_this_run=False)
        return None

    def remove_leftover_original(self, made: Provenance) -> None:
        """Remove what Polly wrote, as a try that ended between the copy and the removal left it.

        :param made: what the object's metadata tells
        :raises PollyOutputObjectError: it could not be removed
        """
        # Whoever may write the object may write its metadata: nothing but Polly's own is removed for it.
        if is_pollys_key(parse_output_uri(made.output_uri).key, self.plan.prefix):
            self._remove_original(made)

    def is_made_from(self, original: S3Location) -> bool:
        """Tell whether the object there was made from the one that Polly wrote at ``original``.

        :param original: where Polly wrote it
        """
        made = self._provenance()
        return made is not None and parse_output_uri(made.output_uri) == original

    def put(self, synthesis_task: Mapping[str, Any]) -> dict[str, Any]:
        """Put a completed synthesis task's object there, and return the SynthesisTask with its new place.

        Safe to repeat after a crash at any point.

        :param synthesis_task: the SynthesisTask
        :raises PollyOutputObjectError: the object could not be copied, or the original not be removed
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
        with self._translate_errors(made, "its object could not be copied", self._adoptable):
            original = parse_output_uri(made.output_uri)
            # An earlier try that still ran may have copied and removed it just now.
            if not self._copy(original, made) and not self.is_made_from(original):
                raise PollyOutputObjectError(
                    f"Synthesis task {made.task_id} completed, but its object is gone from {original.uri}. "
                    "Look for what removes or moves it. The next try starts, and pays, afresh.",
                    synthesis_task_id=made.task_id,
                    task_status=TaskStatus.COMPLETED.value,
                )
        self._remove_original(made)
        return {**synthesis_task, "OutputUri": self._final_uri(made.output_uri), **self._made_now}

    def _final_uri(self, output_uri: str) -> str:
        """Return ``OutputUri`` as Polly would write it had it written to the final key."""
        return output_uri.removesuffix(parse_output_uri(output_uri).key) + self.plan.key

    @cached_property
    def _s3(self) -> Any:
        # Slow to import for every parse of a DAG file.
        from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook

        parts = {"multipart_threshold": COPY_PART_BYTES, "multipart_chunksize": COPY_PART_BYTES}
        return NamedConnectionS3Hook(**self._s3_parameters, transfer_config_args=parts)

    @property
    def _client(self) -> Any:
        return self._s3.get_conn()

    def _looked_at_first(self) -> Provenance | None:
        uri = self.plan.location.uri
        with translate_aws_errors(self._hook, "s3:GetObject"):
            try:
                return self._provenance()
            except ClientError as error:
                if error.operation_name != "HeadObject":
                    raise
                if http_status(error) != 403:
                    raise PollyOutputObjectError(
                        f"Cannot look whether {uri} is there already, so Polly was not asked: {error}"
                    ) from error
                raise PollyConfigurationError(
                    f"AWS denied a look at {uri}, so Polly was not asked. Allow s3:GetObject on it, and "
                    "s3:ListBucket on the bucket (without that, S3 does not tell a missing object from a "
                    f"forbidden one), to the identity that was used: {self._hook.describe_connection()}."
                ) from error

    def _provenance(self) -> Provenance | None:
        head = self._head(self.plan.location)
        return None if head is None else provenance_in(head["Metadata"], self.plan.bucket)

    def _head(self, location: S3Location) -> Mapping[str, Any] | None:
        try:
            head: Mapping[str, Any] = self._client.head_object(Bucket=location.bucket, Key=location.key)
        except ClientError as error:
            if http_status(error) == 404:
                return None
            raise
        return head

    def _copy(self, original: S3Location, made: Provenance) -> bool:
        """Copy the object inside S3; False where it is not there."""
        head = self._head(original)
        if head is None:
            return False
        log.info("Copying %s (%d bytes) to %s", original.uri, head["ContentLength"], self.plan.location.uri)
        try:
            self._client.copy(
                {"Bucket": original.bucket, "Key": original.key},
                self.plan.bucket,
                self.plan.key,
                ExtraArgs={
                    "MetadataDirective": "REPLACE",
                    "Metadata": made.metadata(),
                    "ContentType": head["ContentType"],
                },
                Config=self._s3.transfer_config,
            )
        except ClientError as error:
            if http_status(error) == 404:
                return False
            raise
        return True

    def _remove_original(self, made: Provenance) -> None:
        original = parse_output_uri(made.output_uri)
        if self._keep_original or original == self.plan.location:
            return
        there = f"its object is at {self.plan.location.uri}, but the original was not removed"
        with self._translate_errors(made, there, adoptable=True):
            self._client.delete_object(Bucket=original.bucket, Key=original.key)

    @contextmanager
    def _translate_errors(self, made: Provenance, what: str, adoptable: bool) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, PollyConnectionNotFoundError, ValueError) as error:
            hint = ""
            if isinstance(error, ClientError) and http_status(error) == 403:
                actions = _ACTIONS.get(error.operation_name, _COPY_ACTIONS)
                hint = f" Allow {actions} to the identity that was used: {self._hook.describe_connection()}."
            then = (
                "The next try of this task takes it up and pays nothing; a cleared task may start another."
                if adoptable
                else "durable=False: the next try starts, and pays, afresh."
            )
            raise PollyOutputObjectError(
                f"Synthesis task {made.task_id} completed, and {what}: {error}.{hint} "
                f"What Polly wrote lies at {made.output_uri}. {then}",
                synthesis_task_id=made.task_id,
                task_status=TaskStatus.COMPLETED.value,
            ) from error


def output_exists(
    original: S3Location, *, s3_parameters: Mapping[str, Any], placement: OutputPlacement | None
) -> bool:
    """Return whether the output of a completed synthesis task exists, at either of its two places.

    :param original: where Polly wrote it
    :param s3_parameters: what S3Hook is made with
    :param placement: of this run, where it has an ``output_s3_key``
    """
    # Needed by few runs, and slow to import for every parse of a DAG file.
    from airflow_polly_provider.aws.s3_hook import NamedConnectionS3Hook

    try:
        exists: bool = NamedConnectionS3Hook(**s3_parameters).check_for_key(original.key, original.bucket)
    except ClientError as error:
        log.info("May not look whether %s is there (%s); taking it as there", original.uri, error)
        return True
    return exists or (placement is not None and placement.is_made_from(original))
