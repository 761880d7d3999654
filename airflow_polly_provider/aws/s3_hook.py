"""The hook for S3. Import it inside functions: the import is slow, and DAG parsing does not need it."""

from __future__ import annotations

from airflow.providers.amazon.aws.hooks.s3 import S3Hook

from airflow_polly_provider.aws.connection import NamedConnectionHook


class NamedConnectionS3Hook(NamedConnectionHook, S3Hook):
    """The amazon provider's S3Hook; it fails if the connection named by ``aws_conn_id`` cannot be found."""
