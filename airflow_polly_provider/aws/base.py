"""Base classes that the amazon provider marks as internal. Only this module imports them.

A contract test checks these classes on every supported version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator as _AwsBaseOperator
    from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor as _AwsBaseSensor
    from airflow.providers.amazon.aws.utils.mixins import AwsHookType

    # Airflow annotates output as XComArg. A type checker then rejects output["TaskId"], and also rejects
    # output as an argument of a @task function. Airflow 2's mypy plugin also changed the type of output to
    # Any.
    class AwsBaseOperator(_AwsBaseOperator[AwsHookType]):
        """The amazon provider's AwsBaseOperator, with an ``output`` of type Any."""

        output: Any

    class AwsBaseSensor(_AwsBaseSensor[AwsHookType]):
        """The amazon provider's AwsBaseSensor, with an ``output`` of type Any."""

        output: Any
else:
    from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
    from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor

__all__ = ["AwsBaseOperator", "AwsBaseSensor", "aws_template_fields"]
