"""What this package relies on in bases that the amazon provider calls internal."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator, BaseSensorOperator

from airflow_polly_provider.aws_base import AwsBaseOperator, AwsBaseSensor, aws_template_fields
from airflow_polly_provider.hooks.polly import PollyHook

AWS_PARAMETERS = {"aws_conn_id", "region_name", "verify", "botocore_config"}


class ContractOperator(AwsBaseOperator[PollyHook]):
    aws_hook_class = PollyHook

    def execute(self, context: Any) -> None: ...


class ContractSensor(AwsBaseSensor[PollyHook]):
    aws_hook_class = PollyHook

    def poke(self, context: Any) -> bool:
        return True


@pytest.mark.parametrize("base", [ContractOperator, ContractSensor])
class TestBases:
    def test_are_airflows(self, base: type) -> None:
        assert issubclass(base, BaseOperator)
        assert issubclass(base, BaseSensorOperator) is (base is ContractSensor)

    def test_hand_the_aws_parameters_to_the_hook(self, base: Any) -> None:
        settings = {"region_name": "us-west-2", "verify": False, "botocore_config": {"read_timeout": 7}}
        made = base(task_id="contract", aws_conn_id="some", **settings)
        assert {name: getattr(made, name) for name in settings} == settings
        hook = made.hook
        assert type(hook) is PollyHook
        assert hook is made.hook
        assert (hook.aws_conn_id, hook.region_name, hook.verify) == ("some", "us-west-2", False)
        assert hook.config.read_timeout == 7

    def test_ask_for_aws_default_unless_told(self, base: Any) -> None:
        made = base(task_id="contract")
        assert made.aws_conn_id == "aws_default"
        assert (made.region_name, made.verify, made.botocore_config) == (None, None, None)

    def test_take_the_aws_parameters_by_name(self, base: type) -> None:
        accepted: set[str] = set()
        for each in base.__mro__:
            if "__init__" in each.__dict__:
                accepted |= set(inspect.signature(each.__init__).parameters)
        assert accepted >= AWS_PARAMETERS


def test_template_fields_hold_the_aws_ones_and_ours() -> None:
    fields = aws_template_fields("text", "voice_id")
    assert {"text", "voice_id", "aws_conn_id", "region_name", "verify"} <= set(fields)
