"""Which module of the package may import which."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import airflow_polly_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(airflow_polly_provider.__file__).parent
NAME = "airflow_polly_provider"

AIRFLOW_SIDE = (
    "hooks.",
    "triggers.",
    "operators.",
    "sensors.",
    "decorators.",
    "links.",
    "handover",
    "lineage",
    "waiting",
    "aws_base",
)
AIRFLOW_FREE = (
    "exceptions",
    "lexicon",
    "settings",
    "text.",
    "synthesis_task",
    "synthesis_request",
    "request_token",
    "voices",
)

# Modules, by the beginning of their name, and what they must not import.
FORBIDDEN = {
    "hooks.": [
        "triggers.",
        "operators.",
        "sensors.",
        "decorators.",
        "links.",
        "handover",
        "lineage",
        "waiting",
        "aws_base",
    ],
    "triggers.": ["operators.", "sensors.", "decorators.", "links.", "handover", "lineage", "aws_base"],
    "triggers.poller": ["triggers.polly"],
    "triggers.rate": ["triggers.", "hooks."],
    "waiting": ["triggers.", "operators.", "sensors.", "handover", "aws_base"],
    "lineage": [
        "hooks.",
        "triggers.",
        "operators.",
        "sensors.",
        "decorators.",
        "links.",
        "handover",
        "aws_base",
    ],
    "operators.": ["sensors.", "decorators."],
    "sensors.": ["operators.", "decorators."],
    "links.": ["operators.", "sensors.", "triggers.", "hooks."],
    **dict.fromkeys(AIRFLOW_FREE, AIRFLOW_SIDE),
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts), path


def imports_of(path: Path) -> set[str]:
    """Return every module that a file imports, also inside functions and for type checking."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def own_imports_of(path: Path) -> set[str]:
    return {name.removeprefix(f"{NAME}.") for name in imports_of(path) if name.startswith(f"{NAME}.")}


MODULES = dict(modules())
each_module = pytest.mark.parametrize("module", MODULES)


class TestImports:
    @each_module
    def test_break_no_rule(self, module: str) -> None:
        imported = own_imports_of(MODULES[module])
        wrong = {
            name
            for beginning, forbidden in FORBIDDEN.items()
            if module.startswith(beginning)
            for name in imported
            if name.startswith(tuple(forbidden))
        }
        assert not wrong

    @each_module
    def test_between_the_emulator_and_the_rest_do_not_exist(self, module: str) -> None:
        for name in own_imports_of(MODULES[module]):
            assert name.startswith("emulator") == module.startswith("emulator"), name

    @pytest.mark.parametrize("module", [name for name in MODULES if name.endswith("__init__")])
    def test_do_not_exist_in_init_modules(self, module: str) -> None:
        assert imports_of(MODULES[module]) <= {"__future__", "__future__.annotations"}

    @pytest.mark.parametrize("module", [n for n in MODULES if n.startswith(("operators.", "sensors."))])
    def test_of_boto3_clients_do_not_exist_in_operators_and_sensors(self, module: str) -> None:
        clients = ("boto3", "botocore.session", "botocore.client")
        assert not [name for name in imports_of(MODULES[module]) if name.startswith(clients)]

    @pytest.mark.parametrize("module", [n for n in MODULES if n.startswith("hooks.")])
    def test_of_airflows_context_do_not_exist_in_hooks(self, module: str) -> None:
        assert not [name for name in imports_of(MODULES[module]) if name.endswith(".Context")]

    @each_module
    def test_of_the_amazon_providers_internal_modules_exist_in_aws_base_only(self, module: str) -> None:
        internal = {"operators.base_aws", "sensors.base_aws", "utils.mixins"}
        used = {
            name
            for name in imports_of(MODULES[module])
            if name.removeprefix("airflow.providers.amazon.aws.") in internal
        }
        assert not used or module == "aws_base"

    def test_every_module_that_a_rule_names_exists(self) -> None:
        """A rule for a module that was renamed would check nothing."""
        named = {beginning for beginning in FORBIDDEN if not beginning.endswith(".")}
        assert named <= set(MODULES)
