"""Rules about imports and classes that the import-linter contracts in pyproject.toml cannot express."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import airflow_polly_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(airflow_polly_provider.__file__).parent


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts), path


def imports_of(path: Path) -> set[str]:
    """Return every module that a file imports, including inside functions and for type checking."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


MODULES = dict(modules())
each_module = pytest.mark.parametrize("module", MODULES)


def public_classes() -> Iterator[type]:
    """Yield the operators and sensors, including the private operator of the decorator."""
    for folder in ("operators", "sensors", "decorators"):
        for path in sorted((PACKAGE / folder).glob("[a-z]*.py")):
            module = importlib.import_module(f"{PACKAGE.name}.{folder}.{path.stem}")
            for found in vars(module).values():
                if isinstance(found, type) and found.__module__ == module.__name__:
                    yield found


def own_bases(operator: type) -> list[type]:
    """Return the base classes of an operator that belong to this package."""
    return [base for base in operator.__mro__[1:] if base.__module__.startswith(PACKAGE.name)]


CLASSES = {found.__name__: found for found in public_classes()}


class TestOperators:
    @pytest.mark.parametrize("operator", CLASSES.values(), ids=CLASSES)
    def test_have_at_most_two_base_classes_of_this_package(self, operator: type) -> None:
        assert len(own_bases(operator)) <= 2

    @pytest.mark.parametrize("name", [name for name in CLASSES if not name.startswith("_")])
    def test_list_every_parameter_of_this_package_in_their_own_signature(self, name: str) -> None:
        own = inspect.signature(CLASSES[name]).parameters
        for base in own_bases(CLASSES[name]):
            named = inspect.signature(base).parameters.values()
            assert {one.name for one in named if one.kind is not one.VAR_KEYWORD} <= set(own)


class TestImports:
    @pytest.mark.parametrize("module", [name for name in MODULES if name.endswith("__init__")])
    def test_do_not_exist_in_init_modules(self, module: str) -> None:
        assert imports_of(MODULES[module]) <= {"__future__", "__future__.annotations"}

    @pytest.mark.parametrize("module", [n for n in MODULES if n.startswith(("operators.", "sensors."))])
    def test_of_aws_clients_do_not_exist_in_operators_and_sensors(self, module: str) -> None:
        clients = ("boto3", "botocore", "airflow.providers.amazon.aws.hooks")
        assert not [name for name in imports_of(MODULES[module]) if name.startswith(clients)]

    @pytest.mark.parametrize("module", [n for n in MODULES if n.startswith("hooks.")])
    def test_of_airflows_context_do_not_exist_in_hooks(self, module: str) -> None:
        assert not [name for name in imports_of(MODULES[module]) if name.endswith(".Context")]

    @each_module
    def test_of_the_amazon_providers_internal_modules_exist_only_in_aws_base(self, module: str) -> None:
        internal = {"operators.base_aws", "sensors.base_aws", "utils.mixins"}
        used = {
            name
            for name in imports_of(MODULES[module])
            if name.removeprefix("airflow.providers.amazon.aws.") in internal
        }
        assert not used or module == "aws.base"
