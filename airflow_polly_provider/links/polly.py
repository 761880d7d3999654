"""Links to the AWS console, built from the ``OutputUri`` in XCom. They store no data themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink

from airflow_polly_provider.aws.s3 import parse_output_uri
from airflow_polly_provider.aws.service_model import partition_of
from airflow_polly_provider.compat import XCom

if TYPE_CHECKING:
    from airflow_polly_provider.compat import BaseOperator, TaskInstanceKey

_REGION = re.compile(r"\bs3[.-](?:dualstack\.)?(?P<region>[a-z]+(?:-[a-z]+)+-\d+)\.")
_GLOBAL_HOST = "s3.amazonaws.com"
_GLOBAL_HOST_REGION = "us-east-1"


class _OutputLink(BaseAwsLink):
    """A link built from the task instance's ``OutputUri``. The link is empty until the URI is known."""

    key = "OutputUri"
    format_str: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link's URL.

        :param operator: the operator of the task instance
        :param ti_key: the task instance
        """
        # Airflow 3 calls this on the worker, before and after a deferral. On the worker, the operator has the
        # value, and pulling an XCom that does not exist yet would log an error.
        if hasattr(operator, "output_uri"):
            output_uri = operator.output_uri
        else:
            output_uri = XCom.get_value(key=self.key, ti_key=ti_key)
        return self.url_for(output_uri) if output_uri else ""

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


CONSOLE_LINKS = (PollySynthesisTasksLink(), PollyOutputLink())


class PollyBatchTasksLink(PollySynthesisTasksLink):
    """Link from a batch to the list of synthesis tasks in the Amazon Polly console."""

    key = "ManifestUri"


class PollyManifestLink(PollyOutputLink):
    """Link to the manifest of a batch in the Amazon S3 console."""

    name = "Amazon S3 manifest"
    key = "ManifestUri"


BATCH_LINKS = (PollyBatchTasksLink(), PollyManifestLink())
