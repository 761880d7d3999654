"""GitHub's workflows run what .ci/run runs, and pin each action."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CI_RUN = ROOT / ".ci" / "run"
WORKFLOWS = ROOT / ".github" / "workflows"

pytestmark = pytest.mark.skipif(not WORKFLOWS.is_dir(), reason="only a clone of the repository has .github")


def workflow(name: str) -> str:
    return (WORKFLOWS / name).read_text()


def targets_of_ci_run() -> set[str]:
    return set(re.findall(r"^ *(?:section|lane_section) \d+m make (\S+)", CI_RUN.read_text(), re.MULTILINE))


def targets_of_workflows() -> set[str]:
    tests = workflow("tests.yml")
    matrix = re.findall(r"\{target: ([\w.-]+),", tests)
    return {*matrix, *re.findall(r"run: make (\S+)$", tests + workflow("docs.yml"), re.MULTILINE)} - {
        '"$TARGET"'
    }


def test_the_workflows_run_the_sections_of_ci_run() -> None:
    assert "test" in targets_of_ci_run()
    assert targets_of_workflows() == targets_of_ci_run()


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.name)
def test_each_action_is_pinned_to_a_commit_with_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text())
    assert used
    assert not [line for line in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v[\d.]+", line)]


def test_all_workflows_pin_an_action_to_the_same_commit() -> None:
    pins = {pin for path in WORKFLOWS.glob("*.yml") for pin in re.findall(r"uses: (\S+)", path.read_text())}
    assert len(pins) == len({pin.partition("@")[0] for pin in pins})


def test_the_release_builds_once_and_publishes_what_was_tested() -> None:
    release = workflow("release.yml")
    assert re.findall(r"run: (make \S+)", release) == ["make dist", "make test-wheel"]
    assert re.findall(r"needs: (\w+)", release) == ["build", "test", "attest"]
