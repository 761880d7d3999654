"""The project in docs/emulator.md runs unchanged."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "emulator.md"
# Each test starts an Airflow, and the first test creates its database.
pytestmark = pytest.mark.timeout(300)
FILES = re.compile(r"(?ms)^```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)^```$")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write the files of the page to an empty folder, and return the folder."""
    files = FILES.findall(PAGE.read_text(encoding="utf-8"))
    assert [name for name, _ in files] == ["pyproject.toml", "dags/narration.py", "tests/test_narration.py"]
    for name, content in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def run_pytest(project: Path) -> str:
    """Run pytest in a project like a user with another Airflow; return the output."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "PYTEST", "AWS_"))
    }
    own_home = project / "own-airflow"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=project,
        env=environ | {"AIRFLOW_HOME": str(own_home), "AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert not own_home.exists()
    return done.stdout + done.stderr


def test_the_project_of_the_page_passes(project: Path) -> None:
    output = run_pytest(project)
    assert re.search(r"^=+ 3 passed", output, re.MULTILINE), output


def test_the_airflow_home_can_be_kept(project: Path) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().replace('"temporary"', '".airflow"'))
    (project / "tests" / "test_narration.py").write_text("def test_it(_airflow_database):\n    pass\n")
    output = run_pytest(project)
    assert "1 passed" in output, output
    assert (project / ".airflow" / "airflow.db").is_file()


def test_without_a_home_the_error_says_what_to_set(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["dags"]\n')
    (project / "tests" / "test_narration.py").write_text("def test_it(polly_run_dag):\n    pass\n")
    output = run_pytest(project)
    assert 'polly_airflow_home = "temporary"' in output
    assert "1 error" in output
