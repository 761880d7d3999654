from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its types are in a separate package
import pytest

import airflow_polly_provider
from airflow_polly_provider.get_provider_info import get_provider_info
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.settings import SECTION, token_namespace
from tests.unit.support import own_entry_point

KINDS = {
    "hooks": "airflow_polly_provider.hooks",
    "operators": "airflow_polly_provider.operators",
    "sensors": "airflow_polly_provider.sensors",
    "triggers": "airflow_polly_provider.triggers",
}


def modules_of(kind: str) -> set[str]:
    return {module for entry in get_provider_info().get(kind, []) for module in entry["python-modules"]}


def public_classes(module_name: str) -> list[type]:
    module = importlib.import_module(module_name)
    return [
        thing
        for name, thing in inspect.getmembers(module, inspect.isclass)
        if thing.__module__ == module_name and name.startswith("Polly")
    ]


class TestProviderInfo:
    def test_is_valid_against_airflows_schema(self) -> None:
        schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
        jsonschema.validate(get_provider_info(), schema)

    def test_is_loaded_by_airflow_from_the_entry_point(self) -> None:
        found = own_entry_point("apache_airflow_provider")
        assert found.load()() == get_provider_info()
        assert found.dist is not None
        assert get_provider_info()["package-name"] == found.dist.metadata["Name"]

    def test_has_the_version_of_the_package(self) -> None:
        assert version("airflow-polly-provider") == airflow_polly_provider.__version__

    @pytest.mark.parametrize("kind", KINDS)
    def test_names_only_modules_with_public_classes(self, kind: str) -> None:
        assert modules_of(kind)
        for module in modules_of(kind):
            assert public_classes(module), module

    @pytest.mark.parametrize(
        ("kind", "suffix"),
        [("operators", "Operator"), ("sensors", "Sensor"), ("triggers", "Trigger"), ("hooks", "Hook")],
    )
    def test_names_every_module_with_a_class_for_users(self, kind: str, suffix: str) -> None:
        package = importlib.import_module(KINDS[kind])
        with_classes = {
            info.name
            for info in pkgutil.iter_modules(package.__path__, f"{KINDS[kind]}.")
            if any(
                thing.__name__.endswith(suffix) and not thing.__name__.endswith(f"Waiting{suffix}")
                for thing in public_classes(info.name)
            )
        }
        assert with_classes == modules_of(kind)

    def test_names_links_that_can_be_imported(self) -> None:
        assert get_provider_info()["extra-links"]
        for path in get_provider_info()["extra-links"]:
            module, _, name = path.rpartition(".")
            assert inspect.isclass(getattr(importlib.import_module(module), name))

    def test_registers_no_connection_type(self) -> None:
        assert "connection-types" not in get_provider_info()
        assert PollyHook.conn_type == "aws"


class TestConfiguration:
    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = get_provider_info()["config"][SECTION]["options"]
        return options

    def test_option_token_namespace_is_documented_with_the_actual_default(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert set(self.options()) >= {"token_namespace"}
        assert token_namespace() == self.options()["token_namespace"]["default"]
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__TOKEN_NAMESPACE", "staging")
        assert token_namespace() == "staging"
