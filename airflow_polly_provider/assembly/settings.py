"""The settings of one try of a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.batch.manifest_store import ManifestStore
from airflow_polly_provider.batch.run import BatchSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.assembly.places import DocumentPlaces
    from airflow_polly_provider.batch.manifest import BatchRunId
    from airflow_polly_provider.hooks.polly import PollyHook
    from airflow_polly_provider.output.s3_access import S3Access
    from airflow_polly_provider.start.current_run import CurrentRun


@dataclass(frozen=True, kw_only=True)
class DocumentSettings:
    """The settings of one try of a document.

    :param hook: the hook that sends the requests to Polly
    :param s3: the access to S3
    :param s3_parameters: the parameters of S3Hook
    :param places: the places of the document's objects
    :param run_id: the identity of the Airflow task in its DAG run
    :param run_token: the token of this task instance, which changes when the task is cleared
    :param run: the DAG run and the number of the try
    :param durable: whether the output keys of the pieces contain tokens
    """

    hook: PollyHook
    s3: S3Access
    s3_parameters: Mapping[str, Any]
    places: DocumentPlaces
    run_id: BatchRunId
    run_token: str
    run: CurrentRun
    durable: bool

    def for_batch(self, *, keeps_delivered: bool = True) -> BatchSettings:
        """Return the settings of the batch that synthesizes the pieces.

        :param keeps_delivered: whether pieces that an earlier try synthesized are used again
        """
        return BatchSettings(
            hook=self.hook,
            s3=self.s3,
            s3_parameters=self.s3_parameters,
            store=ManifestStore(lambda: self.s3.client, self.places.batch_manifest),
            run_id=self.run_id,
            run_token=self.run_token,
            run=self.run,
            durable=self.durable,
            keeps_delivered=keeps_delivered,
        )
