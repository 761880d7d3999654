from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from airflow_polly_provider import compat

TREE = ast.parse(Path(compat.__file__).read_text())


def names_for_type_checkers() -> list[str]:
    """Return the names that the module imports under ``TYPE_CHECKING``."""
    block = next(node for node in TREE.body if isinstance(node, ast.If))
    imports = (node for node in ast.walk(block) if isinstance(node, ast.ImportFrom))
    return [alias.name for node in imports for alias in node.names]


@pytest.mark.parametrize("name", names_for_type_checkers())
def test_each_name_that_type_checkers_see_exists_on_this_airflow(name: str) -> None:
    assert getattr(compat, name).__module__.startswith("airflow.") or name == "conf"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        compat.Nothing  # type: ignore[attr-defined] # noqa: B018


def test_importing_the_module_imports_no_part_of_airflow() -> None:
    imported = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in TREE.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= set(sys.stdlib_module_names)
