"""The bases that the amazon provider marks as internal, imported in this one module.

A contract test holds it on every supported version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator as _AwsBaseOperator
    from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor as _AwsBaseSensor
    from airflow.providers.amazon.aws.utils.mixins import AwsHookType

    # Airflow annotates output as XComArg, which has no keys and fits no parameter of a @task. Any is what the
    # mypy plugin of Airflow 2 made of it.
    class AwsBaseOperator(_AwsBaseOperator[AwsHookType]):
        """The amazon provider's."""

        output: Any

    class AwsBaseSensor(_AwsBaseSensor[AwsHookType]):
        """The amazon provider's."""

        output: Any
else:
    from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
    from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor

__all__ = ["AwsBaseOperator", "AwsBaseSensor", "aws_template_fields"]
