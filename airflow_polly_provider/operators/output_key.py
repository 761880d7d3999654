"""``output_s3_key``: the object at a key of the user's own, in all ways to wait."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airflow_polly_provider.operators.base import PollyWaitingOperator
from airflow_polly_provider.operators.output_object import OutputObject
from airflow_polly_provider.operators.output_provenance import OutputPlan, checked_output_key
from airflow_polly_provider.request_token import speech_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.synthesis_task import S3Location


class PollyOutputKeyBase(PollyWaitingOperator):
    """Base of the operator that puts its output at a key of the user's own.

    :param output_s3_key: the key, in the output bucket, that the finished object is put at, instead of the
        one that Polly makes up; refused with ``wait_for_completion=False`` and ``end_from_trigger=True``, and
        before anything is sent where it is empty, a folder, over 1,024 bytes, an ``s3://`` URI or a key of
        Polly's own
    :param keep_original: whether the object stays where Polly wrote it, too; refused without
        ``output_s3_key``
    :param skip_if_unchanged: whether to start nothing where the object at ``output_s3_key`` was made from the
        same text, voice, lexicons and so on; refused without ``output_s3_key``
    :param durable: whether a retry adopts the synthesis task of an earlier try
    """

    output_object_class = OutputObject

    def __init__(
        self,
        *,
        output_s3_key: str | None = None,
        keep_original: bool = False,
        skip_if_unchanged: bool = False,
        durable: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_s3_key = output_s3_key
        self.keep_original = keep_original
        self.skip_if_unchanged = skip_if_unchanged
        self.durable = durable
        # What it renders to is checked in execute: None is then an error, not a way to do without.
        self._has_output_key = output_s3_key is not None
        self._output: OutputObject | None = None
        self._check_output_key_settings()

    def _check_output_key_settings(self) -> None:
        if not self._has_output_key:
            for name in ("keep_original", "skip_if_unchanged"):
                if getattr(self, name):
                    raise ValueError(f"{name}=True needs output_s3_key: it concerns the object there.")
        elif not self.wait_for_completion:
            raise ValueError(
                "output_s3_key needs wait_for_completion=True: Polly must have written the object first."
            )
        elif self.end_from_trigger:
            raise ValueError(
                "output_s3_key cannot be had with end_from_trigger=True: a worker puts the object there."
            )

    def _output_from_before(self, request: Mapping[str, Any], token: str) -> Mapping[str, Any] | None:
        """Return the SynthesisTask whose object is at ``output_s3_key`` already, if nothing is to be started.

        :param request: the request as Polly gets it
        :param token: the token of the request in this run
        """
        if not self._has_output_key:
            return None
        key = checked_output_key(self.output_s3_key, request.get("OutputS3KeyPrefix"))
        lexicons = {}
        if self.skip_if_unchanged:
            # A request names its lexicons; what they say may change under the name.
            for name in request.get("LexiconNames", ()):
                lexicons[name] = self.hook.get_lexicon(name)["Lexicon"]["Content"]
        plan = OutputPlan(
            bucket=request["OutputS3BucketName"],
            key=key,
            prefix=request.get("OutputS3KeyPrefix"),
            run_token=token,
            speech_digest=speech_digest(request, lexicons),
        )
        self._output = self._output_object(plan)
        return self._output.from_before(request, skip_if_unchanged=self.skip_if_unchanged)

    def _output_plan(self) -> dict[str, Any] | None:
        return None if self._output is None else asdict(self._output.plan)

    def _output_object(self, plan: OutputPlan) -> OutputObject:
        return self.output_object_class(
            plan,
            hook=self.hook,
            s3_parameters=self._hook_parameters,
            keep_original=self.keep_original,
            adoptable=self.durable,
        )

    def _settle(
        self, synthesis_task: Mapping[str, Any], for_resume: dict[str, Any] | None
    ) -> Mapping[str, Any]:
        if for_resume is None:
            return synthesis_task
        placed = self._output_object(OutputPlan(**for_resume)).put(synthesis_task)
        return placed | ({"Unchanged": False} if self.skip_if_unchanged else {})

    def _object_exists(self, original: S3Location) -> bool:
        """Tell whether what a completed synthesis task wrote is there, at either place."""
        # Needed by few runs, and slow to import for every parse of a DAG file.
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        try:
            exists: bool = S3Hook(**self._hook_parameters).check_for_key(original.key, original.bucket)
        except ClientError as error:
            self.log.info("May not look whether %s is there (%s); taking it as there", original.uri, error)
            return True
        return exists or (self._output is not None and self._output.is_made_from(original))
