"""Reports a written object to Airflow: hook lineage, OpenLineage and asset events."""

from __future__ import annotations

import itertools
import logging
import string
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.compat import Asset, AssetAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_polly_provider.compat import Context

log = logging.getLogger(__name__)

_LITERAL = "".join(set(string.punctuation) - set("?#%"))

EVENT_EXTRA_KEYS = (
    "TaskId",
    "TaskStatus",
    "OutputS3Uri",
    "RequestCharacters",
    "SpokenCharacters",
    "DurationSeconds",
    "EstimatedCost",
    "Unchanged",
)
"""The keys in the extra of an asset event, if the result has them.

A result has ``DurationSeconds`` if the duration is known, ``EstimatedCost`` if the engine has a price, and
``Unchanged`` if the operator has ``skip_if_unchanged``.
"""

BATCH_EVENT_EXTRA_KEYS = (
    "TotalItems",
    "CompletedItems",
    "FailedItems",
    "UnchangedItems",
    "RequestCharacters",
    "SpokenCharacters",
    "DurationSeconds",
    "EstimatedCost",
    "ManifestS3Uri",
)
"""The keys in the extra of a batch's asset event, if the result has them."""

MAX_REPORTED_OBJECTS = 100
"""Maximum number of objects of a batch that are reported to lineage. The manifest lists all."""

TAG_KEYS = (
    "TaskId",
    "RequestCharacters",
    "DurationSeconds",
    "EstimatedCost",
    "VoiceId",
    "Engine",
    "LanguageCode",
    "OutputFormat",
    "SampleRate",
)
"""The tags of the OpenLineage output dataset, if the result has these keys."""


class ReportingTask(Protocol):
    """The attributes of an operator or sensor that a report needs."""

    outlets: Any

    @property
    def hook(self) -> Any:
        """The hook that is reported as the writer of the object."""


def report_output(
    task: ReportingTask,
    context: Context,
    value: Mapping[str, Any],
    *,
    written: bool,
    is_output: bool = True,
) -> Mapping[str, Any] | None:
    """Report the object that a task wrote or waited for, and return ``value`` if it is the task's output.

    The report goes to the hook lineage collector, and to the events of the S3 assets in ``outlets``. It never
    contains the text, because a SynthesisTask does not contain it.

    :param task: the operator or sensor
    :param context: the running task's context
    :param value: a SynthesisTask in its XCom form, or its known fields
    :param written: whether the object is known to have been written for this task
    :param is_output: whether the object is an output of the task; False if the task neither started the
        synthesis task nor waited for it
    """
    written = written and "OutputS3Uri" in value
    if task.outlets:
        _add_to_events(context, task.outlets, value, written=written)
    if not written or not is_output:
        return None
    _collect(task.hook, value["OutputS3Uri"])
    return value


def report_batch(
    task: ReportingTask, context: Context, value: Mapping[str, Any], output_s3_uris: Iterable[str]
) -> None:
    """Report the objects of a batch: each to hook lineage, and the totals in one event for each outlet.

    :param task: the operator
    :param context: the running task's context
    :param value: the result of the batch
    :param output_s3_uris: the objects that the batch wrote
    """
    extra = {key: value[key] for key in BATCH_EVENT_EXTRA_KEYS if key in value}
    for outlet in task.outlets or ():
        if isinstance(outlet, Asset) and outlet.uri.startswith("s3://"):
            context["outlet_events"][outlet].extra.update(extra)
        elif isinstance(outlet, AssetAlias) and (asset := _asset_of(value["ManifestS3Uri"])):
            context["outlet_events"][outlet].add(asset, extra=extra)
    # Airflow's collector keeps at most this many, and warns about each further one.
    for output_s3_uri in itertools.islice(output_s3_uris, MAX_REPORTED_OBJECTS):
        _collect(task.hook, output_s3_uri)


def batch_openlineage_of(output_s3_uris: Sequence[str]) -> OperatorLineage[Any, Any]:
    """Return the lineage of a batch for OpenLineage: its objects as output datasets.

    :param output_s3_uris: the manifest, and the objects that the batch wrote
    """
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import OutputDataset

    locations = [parse_output_uri(uri) for uri in output_s3_uris[:MAX_REPORTED_OBJECTS]]
    return OperatorLineage(
        outputs=[OutputDataset(namespace=f"s3://{bucket}", name=key) for bucket, key in locations]
    )


def openlineage_of(value: Mapping[str, Any] | None) -> OperatorLineage[Any, Any]:
    """Return the lineage for OpenLineage: the object as an output dataset, and the synthesis task's id.

    :param value: a SynthesisTask in its XCom form whose object was written; None for no lineage
    """
    # OpenLineage is optional. Only OpenLineage calls this function, so it is installed if this line runs.
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
    # Imported here, because parsing a DAG file does not need it.
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
    """Return the object as an asset. If Airflow does not accept its URI, log a warning and return None.

    Airflow rejects characters outside ASCII, cuts the URI off at ``#`` and sorts the part after ``?``.
    Therefore, keys are percent-encoded, and each key is a separate asset. An error here must not fail the
    Airflow task, because its synthesis task is billed.
    """
    try:
        return Asset(uri=quote(output_s3_uri, safe=_LITERAL))
    except ValueError as error:
        log.warning("Not reporting %s to lineage and asset events: %s", output_s3_uri, error)
        return None
