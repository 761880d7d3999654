"""Links to the AWS console and to the tab *Listen*. They store no data themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.service_model import partition_of
from airflow_polly_provider.compat import BaseOperatorLink, XCom, conf
from airflow_polly_provider.results.aws_connection import AWS_CONNECTION_KEY
from airflow_polly_provider.settings import LISTEN_ROUTE, has_listen_tab, listen_enabled

if TYPE_CHECKING:
    from airflow_polly_provider.compat import BaseOperator, TaskInstanceKey

_REGION = re.compile(r"\bs3[.-](?:dualstack\.)?(?P<region>[a-z]+(?:-[a-z]+)+-\d+)\.")
_GLOBAL_HOST = "s3.amazonaws.com"
_GLOBAL_HOST_REGION = "us-east-1"


class _OutputLink(BaseAwsLink):
    """A link to the AWS console, built from the task instance's ``OutputUri``.

    The link is empty until the URI is known, and if the connection uses an endpoint that does not belong to
    AWS: the console does not show its objects and synthesis tasks.
    """

    key = "OutputUri"
    format_str: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link's URL.

        :param operator: the operator of the task instance
        :param ti_key: the task instance
        """
        # Airflow 3 calls this on the worker, before and after a deferral. On the worker, the operator has the
        # value, and pulling an XCom that does not exist yet would log an error.
        running: Any = operator
        on_worker = hasattr(running, "output_uri")
        output_uri = running.output_uri if on_worker else XCom.get_value(key=self.key, ti_key=ti_key)
        if not output_uri or not (url := self.url_for(output_uri)):
            return ""
        if on_worker:
            is_elsewhere = running.hook.has_custom_endpoint
        else:
            connection = XCom.get_value(key=AWS_CONNECTION_KEY, ti_key=ti_key)
            is_elsewhere = bool(connection and connection.get("CustomEndpoint"))
        return "" if is_elsewhere else url

    def url_for(self, output_uri: str) -> str:
        """Return the console URL for an output.

        The result is an empty string if ``output_uri`` does not contain a region, a bucket and a key, or if
        this package does not know the console's address in its AWS partition.

        :param output_uri: ``OutputUri`` of a SynthesisTask
        """
        found = _REGION.search(output_uri)
        if found is None and _GLOBAL_HOST not in output_uri:
            return ""
        region = found["region"] if found else _GLOBAL_HOST_REGION
        domain = BaseAwsLink.get_aws_domain(partition_of(region))
        # The amazon provider does not know the console domain of every partition.
        if domain is None:
            return ""
        try:
            location = parse_output_uri(output_uri)
        except ValueError:
            return ""
        return self.format_link(
            domain=domain, region=region, bucket=location.bucket, key=quote(location.key, safe="")
        )


class PollySynthesisTasksLink(_OutputLink):
    """Link to the list of synthesis tasks in the Amazon Polly console."""

    name = "Amazon Polly synthesis tasks"
    format_str = "https://{region}.console.{domain}/polly/home/SynthesisTasks?region={region}"


class PollyOutputLink(_OutputLink):
    """Link to the audio or the speech marks in the Amazon S3 console."""

    name = "Amazon S3 output"
    format_str = "https://{region}.console.{domain}/s3/object/{bucket}?region={region}&prefix={key}"


class PollyBatchTasksLink(PollySynthesisTasksLink):
    """Link from a batch to the list of synthesis tasks in the Amazon Polly console."""

    key = "ManifestUri"


class PollyManifestLink(PollyOutputLink):
    """Link to the manifest of a batch in the Amazon S3 console."""

    name = "Amazon S3 manifest"
    key = "ManifestUri"


class PollyListenLink(BaseOperatorLink):
    """Link to the tab *Listen* of the task instance, which plays its audio (Airflow 3.1 and later)."""

    name = "Listen"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link's URL; an empty string if the task has no audio in S3, or if there is no tab.

        Airflow 3 calls this on the worker, before and after a deferral, and stores the URL.

        :param operator: the operator of the task instance
        :param ti_key: the task instance
        """
        if not getattr(operator, "has_audio_in_s3", False) or not has_listen_tab() or not listen_enabled():
            return ""
        route = f"dags/{_quoted(ti_key.dag_id)}/runs/{_quoted(ti_key.run_id)}/tasks/{_quoted(ti_key.task_id)}"
        if ti_key.map_index is not None and ti_key.map_index >= 0:
            route += f"/mapped/{ti_key.map_index}"
        # As in Airflow's own links. Without a base_url, the path is valid on the host that shows the UI.
        base_url = conf.get("api", "base_url", fallback="") or ""
        return f"{base_url.rstrip('/')}/{route}/plugin/{LISTEN_ROUTE}"


def _quoted(part: str) -> str:
    return quote(part, safe="")


# On earlier versions of Airflow, a link that is always empty would be shown as a disabled button.
_LISTEN_LINKS: tuple[BaseOperatorLink, ...] = (PollyListenLink(),) if has_listen_tab() else ()

SPEECH_TASK_LINKS = (*_LISTEN_LINKS, PollySynthesisTasksLink(), PollyOutputLink())
SPEECH_LINKS = (*_LISTEN_LINKS, PollyOutputLink())
BATCH_LINKS = (*_LISTEN_LINKS, PollyBatchTasksLink(), PollyManifestLink())
