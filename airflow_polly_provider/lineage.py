"""What Airflow is told of the object that was written: hook lineage, OpenLineage and asset events."""

from __future__ import annotations

import logging
import string
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_polly_provider.synthesis_task import parse_output_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

log = logging.getLogger(__name__)

_LITERAL = "".join(set(string.punctuation) - set("?#%"))

EVENT_EXTRA_KEYS = ("TaskId", "TaskStatus", "OutputS3Uri", "RequestCharacters", "Unchanged")
"""What the extra of an asset event holds; ``Unchanged`` with ``skip_if_unchanged`` alone."""

TAG_KEYS = (
    "TaskId",
    "RequestCharacters",
    "VoiceId",
    "Engine",
    "LanguageCode",
    "OutputFormat",
    "SampleRate",
)
"""What OpenLineage's output dataset bears as tags, with AWS's own key names."""


class OutputLineage:
    """Mixin of the operators and the sensor: reports the object that was written for them.

    Never the text, which no SynthesisTask holds.
    """

    outlets: Any
    claims_output: bool = True
    """Whether the object is an output of this task: not where it only looks at what others do."""

    _written: Mapping[str, Any] | None = None

    def _report_output(self, context: Context, value: Mapping[str, Any], *, written: bool) -> None:
        """Report an object to the hook lineage collector, and on the events of the S3 assets in ``outlets``.

        :param context: the running task's context
        :param value: a SynthesisTask in its XCom form, or as much of one as is known
        :param written: whether the object is known to have been written for this task
        """
        written = written and "OutputS3Uri" in value
        if written and self.claims_output:
            self._written = value
            _collect(cast("Any", self).hook, value["OutputS3Uri"])
        if self.outlets:
            _add_to_events(context, self.outlets, value, written=written)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the object as OpenLineage's output dataset; OpenLineage's listener calls this in the worker.

        :param task_instance: Airflow's, not needed
        """
        return openlineage_of(self._written)


def openlineage_of(value: Mapping[str, Any] | None) -> OperatorLineage[Any, Any]:
    """Return what OpenLineage is told: the object as output dataset, and the synthesis task's id.

    :param value: a SynthesisTask in its XCom form whose object was written; None for no lineage
    """
    # OpenLineage is optional, and calls this only where it is installed.
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import external_query_run, tags_dataset

    if value is None:
        return OperatorLineage()
    location = parse_output_uri(value["OutputS3Uri"])
    tags = [
        tags_dataset.TagsDatasetFacetFields(key=key, value=str(value[key]), source="INTEGRATION")
        for key in TAG_KEYS
        if value.get(key) is not None
    ]
    output = OutputDataset(
        namespace=f"s3://{location.bucket}",
        name=location.key,
        facets={"tags": tags_dataset.TagsDatasetFacet(tags=tags)},
    )
    run_facets = {}
    if task_id := value.get("TaskId"):
        run_facets["externalQuery"] = external_query_run.ExternalQueryRunFacet(
            externalQueryId=task_id, source="polly"
        )
    return OperatorLineage(outputs=[output], run_facets=run_facets)


def _collect(hook: Any, output_s3_uri: str) -> None:
    # Needed at the end of a task alone, and not for every parse of a DAG file.
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    if (asset := _asset_of(output_s3_uri)) is None:
        return
    get_hook_lineage_collector().add_output_asset(context=hook, uri=asset.uri)


def _add_to_events(context: Context, outlets: Any, value: Mapping[str, Any], *, written: bool) -> None:
    extra = {key: value[key] for key in EVENT_EXTRA_KEYS if key in value}
    for outlet in outlets:
        if isinstance(outlet, Asset) and outlet.uri.startswith("s3://"):
            context["outlet_events"][outlet].extra.update(extra)
        elif isinstance(outlet, AssetAlias) and written and (asset := _asset_of(value["OutputS3Uri"])):
            context["outlet_events"][outlet].add(asset, extra=extra)


def _asset_of(output_s3_uri: str) -> Asset | None:
    """Return the object as an asset; None, and a line in the log, where Airflow takes its URI for none.

    Airflow refuses what is not ASCII, cuts ``#`` off and sorts what follows ``?``: keys are encoded so that
    each remains an asset of its own. An error must not fail a task whose synthesis task is billed.
    """
    try:
        return Asset(uri=quote(output_s3_uri, safe=_LITERAL))
    except ValueError as error:
        log.warning("%s is in no lineage and no asset event: %s", output_s3_uri, error)
        return None
