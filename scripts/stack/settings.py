"""The configuration of the stack's Airflow.

The configuration consists only of environment variables. It does not use the caller's settings for Airflow or
AWS.
"""

import base64
import importlib.metadata
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

AIRFLOW_MAJOR = int(importlib.metadata.version("apache-airflow").partition(".")[0])

# DAG files do not change while a stack runs. To parse them again would take more CPU time than to run them.
_REPARSE_SECONDS = "3600"
_AIRFLOW_2 = {"AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": _REPARSE_SECONDS}
# Airflow 2 allows SQLite only with its SequentialExecutor, which imports Airflow again for each task. With
# this variable, it also allows LocalExecutor, which forks. Airflow's own tests set this variable too.
_LOCAL_WITH_SQLITE = {"_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1"}
_FOREIGN_PREFIXES = ("AIRFLOW_", "_AIRFLOW_", "AWS_")


def environment(
    *,
    home: Path,
    dags_folder: Path,
    base_url: str,
    database_url: str,
    executor: str | None,
    parallelism: int,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Return all environment variables of Airflow's processes.

    :param base_url: URL of the API server of Airflow 3
    :param extra: additional variables, which override all others
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)}
    # Allow byte code. Without it, each start of a component and each task would compile Airflow again.
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    settings = _common(dags_folder, database_url, executor, parallelism)
    settings |= _airflow_3(base_url) if AIRFLOW_MAJOR >= 3 else _AIRFLOW_2
    return {
        **inherited,
        "AIRFLOW_HOME": str(home),
        # Airflow 2 runs each task as `airflow tasks run`, which it finds through PATH.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "NO_COLOR": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        # No test or demo may reach real AWS with the caller's credentials or the machine's role.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **settings,
        **extra,
    }


def _common(dags_folder: Path, database_url: str, executor: str | None, parallelism: int) -> dict[str, str]:
    sequential = executor is None and AIRFLOW_MAJOR < 3 and database_url.startswith("sqlite")
    return {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
        "AIRFLOW__CORE__EXECUTOR": executor or "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "1" if sequential else str(parallelism),
        **(_LOCAL_WITH_SQLITE if sequential else {}),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # By default, Airflow resolves the machine's name. This hangs if there is no DNS.
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        # Without this setting, each component would generate its own key.
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        # With the default, each step of a run waits for up to a second.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url,
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _airflow_3(base_url: str) -> dict[str, str]:
    return {
        "AIRFLOW__API__BASE_URL": base_url,
        # Airflow 3.0 would start four workers.
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base_url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": _REPARSE_SECONDS,
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    }
