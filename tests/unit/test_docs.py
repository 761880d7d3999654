"""What the documentation says of permissions, options and errors is what the package does."""

from __future__ import annotations

import ast
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


def messages() -> str:
    """All strings of the package, one a line, with … for what is filled in."""

    def told(node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        return "".join(told(part) for part in node.values) if isinstance(node, ast.JoinedStr) else "…"

    strings = (
        told(node)
        for node in ast.walk(ast.parse(package_source()))
        if isinstance(node, ast.Constant | ast.JoinedStr)
    )
    return re.sub(r"%(?:\.\d)?[sdf]", "…", "\n".join(strings))


def policy_actions() -> set[str]:
    policy = json.loads(page("iam-policy.json"))
    listed = [statement["Action"] for statement in policy["Statement"]]
    return {action for actions in listed for action in ([actions] if isinstance(actions, str) else actions)}


def permission_rows() -> dict[str, str]:
    """What each action of the one table of permissions is needed for."""
    table = page("connection.md").partition("(permissions)=")[2]
    return {action: row["rest"] for row in ROW.finditer(table) for action in ACTION.findall(row["first"])}


def test_the_table_of_permissions_names_each_action_that_the_hook_asks_for() -> None:
    asked_for = set(re.findall(r"\bexplained\(self, \"(polly:\w+)\"", package_source()))
    assert asked_for
    assert {action for action in permission_rows() if action.startswith("polly:")} == asked_for


def test_the_policy_allows_what_the_table_calls_needed_by_operators_and_sensor() -> None:
    needed = {
        action
        for action, needed_for in permission_rows().items()
        if not needed_for.startswith(("only", "optional", "the hook's"))
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
    """Give the words of errors and log lines that the troubleshooting page goes by."""
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
def test_the_troubleshooting_page_goes_by_words_that_the_package_says(quoted: str) -> None:
    said = re.sub(r"\s+", " ", messages())
    fragments = [fragment.strip() for fragment in re.split(r"…|\(\w+Exception\)", quoted)]
    missing = [fragment for fragment in fragments if fragment and fragment not in said]
    assert not missing


def test_the_troubleshooting_page_or_the_reference_names_each_error() -> None:
    listed = page("reference.rst")
    assert ".. automodule:: airflow_polly_provider.exceptions" in listed
    ours = [name for name in vars(exceptions) if name.startswith("Polly")]
    undrawn = [name for name in ours if name not in (exceptions.__doc__ or "")]
    assert not undrawn


def headings(markdown: Path) -> set[str]:
    """Give the anchors that a page's headings have, on GitHub and in the built site alike."""
    text = re.sub(r"^```.*?^```", "", markdown.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#{1,3} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "markdown",
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_link_leads_to_a_page_and_a_heading_of_it(markdown: Path) -> None:
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
        # As Sphinx does it: the configuration first, then autodoc's imports.
        pytest.param(
            ["-c", "import runpy; runpy.run_path('docs/conf.py'); import airflow.settings"],
            id="docs",
        ),
    ],
)
def test_what_imports_airflow_for_a_check_leaves_the_users_home_alone(
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
