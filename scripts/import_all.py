"""Import every module of the installed package: ``python -m scripts.import_all``."""

import importlib
import os
import pkgutil
import sys
import tempfile
from pathlib import Path

import airflow_polly_provider


def main() -> int:
    """Import all, say from where, and give the exit code."""
    names = [
        module.name
        for module in pkgutil.walk_packages(airflow_polly_provider.__path__, "airflow_polly_provider.")
    ]
    # Airflow, when imported, makes its home and reads the configuration there: not in the user's own.
    with tempfile.TemporaryDirectory(prefix="airflow-polly-import-") as home:
        os.environ["AIRFLOW_HOME"] = home
        for name in names:
            importlib.import_module(name)
    print(f"Imported {len(names)} modules from {Path(airflow_polly_provider.__file__).parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
