"""The bases that the amazon provider marks as internal, imported in this one module.

A contract test holds it on every supported version.
"""

from __future__ import annotations

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

__all__ = ["AwsBaseOperator", "AwsBaseSensor", "aws_template_fields"]
