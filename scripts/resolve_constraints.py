"""Resolve the package's requirements without extras against Airflow's official constraint files.

Usage: ``python -m scripts.resolve_constraints FOLDER``. The folder contains ``airflow-X.Y.Z.txt`` files from
https://raw.githubusercontent.com/apache/airflow/constraints-X.Y.Z/constraints-3.11.txt
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".tools" / "uv" / "bin" / "uv"
PYTHONS = ("3.11", "3.12")
SHOWN = ("apache-airflow-providers-amazon", "apache-airflow-providers-common-compat", "boto3")


def resolve(constraints: Path, airflow: str, python: str) -> tuple[bool, str]:
    """Return whether the requirements can be met, and the chosen versions or the resolver's error.

    :param constraints: path of the constraint file
    :param airflow: Airflow version of the constraint file
    :param python: Python version, such as 3.11
    """
    command = [str(UV), "pip", "compile", "-", "--constraint", str(constraints), "--python-version", python]
    wanted = f"{ROOT.as_uri()}\napache-airflow=={airflow}\n"
    done = subprocess.run(
        [*command, "--no-header", "--no-annotate", "--quiet"],
        input=wanted,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        return False, done.stderr.strip()
    chosen = dict(re.findall(r"^([\w.-]+)==(\S+)", done.stdout, re.MULTILINE))
    return True, ", ".join(f"{name} {chosen.get(name, 'missing')}" for name in SHOWN)


def main() -> int:
    """Resolve against each constraint file, print the results, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    failed = 0
    for constraints in sorted(parser.parse_args().folder.glob("airflow-*.txt")):
        airflow = constraints.stem.removeprefix("airflow-")
        for python in PYTHONS:
            resolved, details = resolve(constraints, airflow, python)
            failed += not resolved
            outcome = "resolves" if resolved else "DOES NOT RESOLVE"
            print(f"Airflow {airflow}, Python {python}: {outcome}: {details}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
