"""The example DAGs, as Airflow loads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.dag_runs import first_module_of

if TYPE_CHECKING:
    from airflow_polly_provider.compat import DAG

FOLDER = Path(__file__).resolve().parents[2] / "example_dags"


def dags_in(path: Path) -> dict[str, DAG]:
    """Return the DAGs that Airflow finds in a file."""
    module = first_module_of("airflow.dag_processing.dagbag", "airflow.models.dagbag")
    bag = module.DagBag(str(path))
    assert bag.import_errors == {}
    dags: dict[str, DAG] = bag.dags
    return dags
