"""AWS data in the installed botocore. Names that a newer botocore adds need no change here."""

from __future__ import annotations

import functools
from typing import Any

import botocore
import botocore.session

FIRST_VERSIONS = {
    "ogg_opus": "1.40.13",
    "mulaw": "1.42.76",
    "alaw": "1.42.76",
    "TagResource": "1.43.124",
}
"""Names that the lowest supported botocore does not know, and the first botocore version that knows each.

Each version was found by comparing the service model in its wheel with that of the previous release.
"""


def upgrade_hint(name: str) -> str:
    """Return advice to upgrade boto3 for a name; empty if the version that added the name is unknown.

    :param name: a value or an operation that the installed botocore does not know
    """
    if name not in FIRST_VERSIONS:
        return ""
    return (
        f"The installed botocore {botocore.__version__} does not know it: upgrade boto3 to "
        f"{FIRST_VERSIONS[name]} or later."
    )


@functools.cache
def polly_shape(name: str) -> Any:
    """Return a shape of Polly's service model.

    :param name: the shape's name, such as ``StartSpeechSynthesisTaskInput``
    """
    return botocore.session.get_session().get_service_model("polly").shape_for(name)


@functools.cache
def partition_of(region: str) -> str:
    """Return the partition that a region belongs to, such as ``aws-cn``.

    :param region: the region, such as ``cn-north-1``
    """
    partition: str = botocore.session.get_session().get_partition_for_region(region)
    return partition


@functools.cache
def aws_domains() -> tuple[str, ...]:
    """Return the domains of AWS's endpoints in all partitions, such as ``.amazonaws.com``."""
    partitions: Any = botocore.session.get_session().get_data("partitions")
    outputs = [partition["outputs"] for partition in partitions["partitions"]]
    return tuple(f".{each[name]}" for each in outputs for name in ("dnsSuffix", "dualStackDnsSuffix"))
