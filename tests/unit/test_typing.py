"""Type checkers accept what the documentation shows, and find mistakes, as a user's mypy sees the package."""

from __future__ import annotations

import importlib.util
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
USER_DAG = ROOT / "tests" / "typing" / "user_dag.py"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IMPORTS = """
from airflow.sdk import task
from airflow_polly_provider.hooks.polly import PollyHook
from airflow_polly_provider.operators.polly import PollyStartSpeechSynthesisTaskOperator
"""
MISSING = [name for name in ("mypy", "types_boto3_polly") if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    Version(Version(airflow_version).base_version) < Version("3.3"),
    reason="the types are those of the newest Airflow",
)


def blocks_of_the_guides(folder: Path) -> list[Path]:
    """Write each fenced Python block of the guides into a module of its own, and return those."""
    written = []
    for guide in sorted((ROOT / "docs" / "guides").glob("*.md")):
        for number, block in enumerate(BLOCK.findall(guide.read_text()), start=1):
            module = folder / f"{guide.stem.replace('-', '_')}_{number}.py"
            module.write_text(IMPORTS + block)
            written.append(module)
    return written


@pytest.mark.timeout(600)
@pytest.mark.skipif(bool(MISSING), reason=f"not installed here: {', '.join(MISSING)}")
def test_strict_mypy_accepts_a_typed_dag_and_the_guides(tmp_path: Path) -> None:
    """It runs in a folder of its own: the package is an installed one there, which needs its py.typed."""
    blocks = blocks_of_the_guides(tmp_path)
    assert blocks
    # An empty file: no configuration of the machine or of this project.
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=mypy.ini", "--cache-dir=cache"]
    checked = subprocess.run(
        [*mypy, str(USER_DAG), *map(str, blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_typed_dag_is_one_that_airflow_can_parse() -> None:
    assert "user_dag" in runpy.run_path(str(USER_DAG))
