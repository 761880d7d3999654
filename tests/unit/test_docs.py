"""The documentation of permissions, options and errors agrees with the package."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import airflow_polly_provider
from airflow_polly_provider import exceptions
from airflow_polly_provider.get_provider_info import get_provider_info

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(airflow_polly_provider.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

ROW = re.compile(r"^\| (?!---)(?P<first>.+?) \| (?P<rest>.+) \|$", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")
ACTION = re.compile(r"\b(?:polly|s3|sns|sqs|kms):[A-Z]\w+")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def package_source() -> str:
    return "\n".join(
        path.read_text() for path in sorted(PACKAGE.rglob("*.py")) if "emulator" not in path.parts
    )


def text_of(node: ast.expr) -> str:
    """Return a string literal of the source, with … for its variable parts."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(text_of(part) for part in node.values) if isinstance(node, ast.JoinedStr) else "…"


@functools.cache
def messages() -> str:
    """Return all strings of the package on one line, with … for the variable parts."""
    strings = (
        text_of(node)
        for node in ast.walk(ast.parse(package_source()))
        if isinstance(node, ast.Constant | ast.JoinedStr)
    )
    return re.sub(r"\s+", " ", re.sub(r"%(?:\.\d)?[sdf]", "…", "\n".join(strings)))


def policy_actions() -> set[str]:
    policy = json.loads(page("iam-policy.json"))
    listed = [statement["Action"] for statement in policy["Statement"]]
    return {action for actions in listed for action in ([actions] if isinstance(actions, str) else actions)}


def permission_rows() -> dict[str, str]:
    """Return each action in the table of permissions with its purpose."""
    table = page("connection.md").partition("(permissions)=")[2]
    return {action: row["rest"] for row in ROW.finditer(table) for action in ACTION.findall(row["first"])}


def test_the_table_of_permissions_names_each_action_of_the_hooks_errors() -> None:
    asked_for = set(re.findall(r"\btranslate_aws_errors\(self, \"(polly:\w+)\"", package_source()))
    assert asked_for
    assert {action for action in permission_rows() if action.startswith("polly:")} == asked_for


def test_the_policy_allows_every_action_of_operators_and_sensor_on_polly_and_the_bucket() -> None:
    """Topics, queues and KMS keys are the user's own, and the further methods of the hook are optional."""
    needed = {
        action
        for action, needed_for in permission_rows().items()
        if not needed_for.startswith("the hook's") and action.startswith(("polly:", "s3:"))
    }
    assert policy_actions() == needed


def test_the_readme_shows_the_policy_of_the_docs() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown == page("iam-policy.json")


def test_every_option_is_documented_with_its_default() -> None:
    options = get_provider_info()["config"]["aws_polly"]["options"]
    documented = {
        row["first"].strip("`"): row["rest"].partition(" | ")[0].strip("`")
        for row in ROW.finditer(page("configuration.md"))
        if row["first"].startswith("`")
    }
    assert documented == {name: option["default"] or "empty" for name, option in options.items()}


def quoted_messages() -> Iterator[str]:
    """Yield the errors and log lines that the troubleshooting page quotes."""
    ours = (
        page("troubleshooting.md")
        .replace("Polly's reason>`:", "Polly's reason>`")
        .partition("\n## Airflow\n")[0]
    )
    terms = [
        line
        for line, after in zip(ours.splitlines(), ours.splitlines()[1:], strict=False)
        if after[:2] == ": "
    ]
    cells = [row["first"] for row in ROW.finditer(ours)]
    for entry in terms + cells:
        yield from (words for words in QUOTED.findall(entry) if " " in words and "Executor" not in words)


@pytest.mark.parametrize("quoted", list(quoted_messages()))
def test_the_package_contains_each_message_that_the_troubleshooting_page_quotes(quoted: str) -> None:
    fragments = [fragment.strip() for fragment in re.split(r"…|\(\w+Exception\)", quoted)]
    missing = [fragment for fragment in fragments if fragment and fragment not in messages()]
    assert not missing


CHECKING_MODULES = [
    *("batch/checks.py", "batch/item_files.py", "batch/item_keys.py", "batch/items.py"),
    *("aws/s3.py", "output/provenance.py", "results/synthesis_task.py", "start/token.py"),
    *("request/billing.py", "request/container.py", "request/dry_run.py", "request/lexicon.py"),
    *("request/native.py", "request/validation.py"),
    *(
        f"{folder}/{path.name}"
        for folder in ("assembly", "document")
        for path in (PACKAGE / folder).glob("*.py")
    ),
    *("text/markup.py", "text/pls.py", "text/ssml.py", "text/ssml_values.py", "text/well_formed.py"),
]


def refusals() -> set[str]:
    """Return the message of each refusal in the modules that check a request's content."""
    calls = (
        node
        for name in CHECKING_MODULES
        for node in ast.walk(ast.parse((PACKAGE / name).read_text()))
        if isinstance(node, ast.Call)
    )
    refusing = (
        *("PollyInvalidRequestError", "PollySsmlError", "self._add_problem"),
        *("UnreadableItem", "problems.append"),
    )
    found = {text_of(call.args[0]) for call in calls if ast.unparse(call.func) in refusing}
    # One message only joins other messages and contains no words.
    return {message for message in found if re.search("[a-z]", message)}


def documented_refusals() -> list[list[str]]:
    """Return the constant parts of each message that the page of checks quotes."""
    return [
        [part.strip() for part in quoted.split("…") if part.strip()]
        for row in ROW.finditer(page("checks.md"))
        for quoted in QUOTED.findall(row["first"])
    ]


@pytest.mark.parametrize("message", sorted(refusals()))
def test_each_refusal_of_a_requests_content_is_in_the_table_of_checks(message: str) -> None:
    assert any(all(part in message for part in parts) for parts in documented_refusals())


@pytest.mark.parametrize("parts", documented_refusals(), ids=str)
def test_the_package_contains_each_message_that_the_table_of_checks_quotes(parts: list[str]) -> None:
    assert not [part for part in parts if part not in messages()]


def documented_classes() -> list[type]:
    """Return the operators and the sensor of the reference."""
    named = re.findall(r"autoclass:: (\S+)\.(\w+(?:Operator|Sensor))$", page("reference.rst"), re.MULTILINE)
    return [getattr(importlib.import_module(module), name) for module, name in named]


@pytest.mark.parametrize("documented", documented_classes())
def test_the_reference_describes_each_parameter_of_an_operator(documented: type) -> None:
    parameters = set(inspect.signature(documented).parameters) - {"kwargs"}
    described = set(re.findall(r":param (\w+):", documented.__doc__ or ""))
    assert described == parameters


def test_the_reference_contains_each_operator_and_sensor_of_the_provider() -> None:
    info = get_provider_info()
    modules = [name for kind in ("operators", "sensors") for name in info[kind][0]["python-modules"]]
    classes = [
        value
        for name in modules
        for value in vars(importlib.import_module(name)).values()
        if inspect.isclass(value) and value.__module__ == name and value.__name__.startswith("Polly")
    ]
    assert set(documented_classes()) == set(classes)


def test_the_tree_of_errors_in_the_reference_contains_each_error() -> None:
    listed = page("reference.rst")
    assert ".. automodule:: airflow_polly_provider.exceptions" in listed
    ours = [name for name in vars(exceptions) if name.startswith("Polly")]
    missing = [name for name in ours if name not in (exceptions.__doc__ or "")]
    assert not missing


def headings(markdown: Path) -> set[str]:
    """Return the anchors of a page's headings, which are the same on GitHub and in the built site."""
    text = re.sub(r"^```.*?^```", "", markdown.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#{1,3} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "markdown",
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_relative_link_leads_to_an_existing_page_and_heading(markdown: Path) -> None:
    text = re.sub(r"^```.*?^```", "", markdown.read_text(), flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in links:
        name, _, anchor = link.partition("#")
        target = markdown.parent / name if name else markdown
        assert target.is_file(), link
        assert not anchor or anchor in headings(target), link


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-m", "scripts.import_all"], id="import_all"),
        # In Sphinx's order: first the configuration, then autodoc's imports.
        pytest.param(
            ["-c", "import runpy; runpy.run_path('docs/conf.py'); import airflow.settings"],
            id="docs",
        ),
    ],
)
def test_a_check_that_imports_airflow_writes_nothing_to_the_users_home(
    command: list[str], tmp_path: Path
) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    env |= {"HOME": str(home), "TMPDIR": str(temporary)}

    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [*home.iterdir(), *temporary.iterdir()] == []
