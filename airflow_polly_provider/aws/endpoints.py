"""Finds out whether requests go to AWS or to another endpoint, such as an emulator, without a client."""

from __future__ import annotations

from urllib.parse import urlsplit

import botocore.session
from botocore.configprovider import ConfiguredEndpointProvider

from airflow_polly_provider.aws.service_model import aws_domains


def environment_endpoint(service: str, profile: str | None) -> str | None:
    """Return the endpoint that the environment or AWS's configuration file sets for a service.

    The variables are ``AWS_ENDPOINT_URL`` and ``AWS_ENDPOINT_URL_<SERVICE>``.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html

    :param service: the service, such as ``polly``
    :param profile: the profile in the configuration file; None for the default
    """
    session = botocore.session.Session(profile=profile)
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    provider = ConfiguredEndpointProvider(
        full_config=session.full_config, scoped_config=session.get_scoped_config(), client_name=service
    )
    found: str | None = provider.provide()
    return found


def is_of_aws(endpoint: str) -> bool:
    """Return whether an endpoint belongs to AWS, such as a VPC endpoint.

    :param endpoint: the endpoint's URL
    """
    return (urlsplit(endpoint).hostname or "").endswith(aws_domains())
