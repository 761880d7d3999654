"""A user's mypy accepts the documented code and finds mistakes in the use of the package."""

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
    reason="the type tests need the newest Airflow",
)


def blocks_of_the_guides(folder: Path) -> list[Path]:
    """Write each fenced Python block of the guides to a separate module, and return the modules."""
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
    """mypy runs in another folder, so that it finds the package as installed and needs its ``py.typed``."""
    blocks = blocks_of_the_guides(tmp_path)
    assert blocks
    # Without options, so that mypy reads no configuration of the machine or of this project.
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


def test_airflow_can_parse_the_typed_dag() -> None:
    assert "user_dag" in runpy.run_path(str(USER_DAG))
