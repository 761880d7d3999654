"""Import every module of the installed package: ``python -m scripts.import_all``."""

import importlib
import pkgutil
import sys
from pathlib import Path

import airflow_polly_provider


def main() -> int:
    """Import all, say from where, and give the exit code."""
    names = [
        module.name
        for module in pkgutil.walk_packages(airflow_polly_provider.__path__, "airflow_polly_provider.")
    ]
    for name in names:
        importlib.import_module(name)
    print(f"Imported {len(names)} modules from {Path(airflow_polly_provider.__file__).parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
