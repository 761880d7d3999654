"""The hook for S3. It is slow to import, so each user imports it where it is used."""

from __future__ import annotations

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_polly_provider.aws.connection import NamedConnectionHook


class NamedConnectionS3Hook(NamedConnectionHook, S3Hook):
    """The amazon provider's S3Hook, which uses the connection that was asked for by name, or fails."""
