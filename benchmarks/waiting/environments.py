"""Additional environments for the benchmark.

The environments are necessary because aiobotocore requires an older boto3, and because the project does not
depend on database drivers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.waiting.processes import BUILD, ROOT, Way

if TYPE_CHECKING:
    from pathlib import Path

_BUILD_SECONDS = 1200
_DRIVERS = ("psycopg2-binary", "asyncpg")


def aws_waiter() -> Way:
    """Return the amazon provider's way to wait.

    Its environment contains the Airflow and amazon provider versions of this environment, and aiobotocore.
    """
    home = BUILD / "waiting-aiobotocore"
    packages = [f"{name}=={version(name)}" for name in ("apache-airflow", "apache-airflow-providers-amazon")]
    if not (home / "built").exists():
        _uv("venv", "--clear", "--python", sys.executable, str(home))
        _uv("pip", "install", "--python", _python(home), *packages, "aiobotocore")
        (home / "built").touch()
    return Way("way_aws_waiter", _python(home))


def with_postgresql() -> str:
    """Return the interpreter of an environment like the project's, but with PostgreSQL drivers."""
    home = BUILD / "waiting-postgresql"
    if not (home / "built").exists():
        _uv("sync", "--frozen", "--python", sys.executable, UV_PROJECT_ENVIRONMENT=str(home))
        _uv("pip", "install", "--python", _python(home), *_DRIVERS)
        (home / "built").touch()
    return _python(home)


def _python(home: Path) -> str:
    return str(home / "bin" / "python")


def _uv(*arguments: str, **env: str) -> None:
    built = sorted(ROOT.glob(".tools/uv-*/bin/uv"))
    uv = os.environ.get("UV") or shutil.which("uv") or (str(built[-1]) if built else None)
    if uv is None:
        raise RuntimeError("uv is missing: run `make env`, or set UV=/path/to/uv.")
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(
        [uv, arguments[0], "--quiet", *arguments[1:]],
        env={**inherited, **env},
        cwd=ROOT,
        check=True,
        timeout=_BUILD_SECONDS,
    )
