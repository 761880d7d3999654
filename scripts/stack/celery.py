"""An Airflow on several machines, with CeleryExecutor, Redis, PostgreSQL and redundant components."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.stack.airflow import AirflowStack
from scripts.stack.servers import POSTGRESQL, REDIS, throwaway_database, throwaway_keys

MACHINES = {
    "api-server": "api-server",
    "dag-processor": "dag-processor",
    "scheduler-1": "scheduler",
    "scheduler-2": "scheduler",
    "triggerer-1": "triggerer",
    "triggerer-2": "triggerer",
    "worker-1": "worker",
    "worker-2": "worker",
}


@contextlib.contextmanager
def celery_stack(
    *,
    home: Path,
    dags_folder: Path,
    env: Mapping[str, str],
    parallelism: int = 32,
    worker_concurrency: int = 4,
    postgresql: str = POSTGRESQL,
    redis: str = REDIS,
) -> Iterator[AirflowStack]:
    """Run two schedulers, two triggerers and two Celery workers, an API server and a DAG processor.

    Each component has its own files, as if it ran on its own machine. At the end, the database and the keys
    in Redis are deleted.

    :param home: folder for all logs and the machines' files
    :param dags_folder: folder with the DAG files; each machine gets a copy
    :param env: additional environment variables for Airflow
    :param parallelism: maximum number of tasks that each scheduler runs at the same time
    :param worker_concurrency: maximum number of tasks that each worker runs at the same time
    :param postgresql: SQLAlchemy URL of a server on which a database can be created
    :param redis: URL of a database on a Redis server
    """
    with throwaway_database(postgresql) as database_url, throwaway_keys(redis) as prefix:
        result_backend = "db+" + database_url
        settings = {
            "AIRFLOW__CELERY__BROKER_URL": redis,
            "AIRFLOW__CELERY__RESULT_BACKEND": result_backend,
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(worker_concurrency),
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": prefix,
        }
        with AirflowStack(
            home=home,
            dags_folder=dags_folder,
            env={**settings, **env},
            executor="CeleryExecutor",
            database_url=database_url,
            parallelism=parallelism,
            machines=MACHINES,
        ) as stack:
            yield stack
