"""The contract of the amazon provider's internal base classes, as this package uses them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from airflow_polly_provider.aws.base import AwsBaseOperator, AwsBaseSensor, aws_template_fields
from airflow_polly_provider.compat import BaseOperator, BaseSensorOperator
from airflow_polly_provider.hooks.polly import PollyHook
from tests.unit.support import connection

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
    def test_are_an_airflow_operator_and_an_airflow_sensor(self, base: type) -> None:
        assert issubclass(base, BaseOperator)
        assert issubclass(base, BaseSensorOperator) is (base is ContractSensor)

    def test_pass_the_aws_parameters_to_the_hook(self, base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_SOME", connection())
        settings = {"region_name": "us-west-2", "verify": False, "botocore_config": {"read_timeout": 7}}
        made = base(task_id="contract", aws_conn_id="some", **settings)
        assert {name: getattr(made, name) for name in settings} == settings
        hook = made.hook
        assert type(hook) is PollyHook
        assert hook is made.hook
        assert (hook.aws_conn_id, hook.region_name, hook.verify) == ("some", "us-west-2", False)
        assert hook.config.read_timeout == 7

    def test_default_to_the_connection_aws_default(self, base: Any) -> None:
        made = base(task_id="contract")
        assert made.aws_conn_id == "aws_default"
        assert (made.region_name, made.verify, made.botocore_config) == (None, None, None)

    def test_accept_the_aws_parameters_by_name(self, base: type) -> None:
        accepted: set[str] = set()
        for each in base.__mro__:
            if constructor := each.__dict__.get("__init__"):
                accepted |= set(inspect.signature(constructor).parameters)
        assert accepted >= AWS_PARAMETERS


def test_template_fields_contain_the_aws_parameters_and_the_given_ones() -> None:
    fields = aws_template_fields("text", "voice_id")
    assert {"text", "voice_id", "aws_conn_id", "region_name", "verify"} <= set(fields)


async def test_an_aiobotocore_client_can_be_created_with_this_package_installed() -> None:
    """The amazon provider's deferrable operators need it, and aiobotocore limits botocore's version."""
    aiobotocore = pytest.importorskip("aiobotocore.session")
    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret"}
    async with aiobotocore.get_session().create_client("s3", region_name="eu-west-1", **keys) as client:
        assert client.meta.region_name == "eu-west-1"
