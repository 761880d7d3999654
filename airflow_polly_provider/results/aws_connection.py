"""The XCom that names the AWS connection of a task's audio, for those who read the audio later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

AWS_CONNECTION_KEY = "AwsConnection"
"""The key of the XCom. ``return_value`` does not contain it."""

_PLACES = ("OutputS3Uri", "ManifestS3Uri")


class AwsConnectionXCom(TypedDict):
    """The value of the XCom ``AwsConnection``: the connection with which a task's audio can be read.

    A task pushes it together with its result, if the result names an object in S3. It contains no
    credentials.
    """

    AwsConnId: str | None
    """The id of the Airflow connection; None for boto3's own credential chain."""
    RegionName: str | None
    """The task's ``region_name``; None if the region comes from the connection or the environment."""
    Verify: bool | str | None
    """The task's ``verify``: whether to verify TLS certificates, or the path of a CA bundle."""
    CustomEndpoint: bool
    """Whether requests to Polly or S3 go to an endpoint that does not belong to AWS, such as an emulator."""


def aws_connection_xcom(
    hook_parameters: Mapping[str, Any], *, has_custom_endpoint: bool
) -> AwsConnectionXCom:
    """Return the value of the XCom ``AwsConnection``.

    :param hook_parameters: the parameters of the hook that can read the audio, as rendered
    :param has_custom_endpoint: whether its requests go to an endpoint that does not belong to AWS
    """
    return {
        "AwsConnId": hook_parameters.get("aws_conn_id"),
        "RegionName": hook_parameters.get("region_name"),
        "Verify": hook_parameters.get("verify"),
        "CustomEndpoint": has_custom_endpoint,
    }


def is_in_s3(value: Mapping[str, Any]) -> bool:
    """Return whether a result names an object in S3.

    :param value: the result, in the form of ``return_value``
    """
    return any(place in value for place in _PLACES)
