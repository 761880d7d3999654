"""Names that DAG files, serialized DAGs, XCom keys and ``airflow.cfg`` contain.

A deferred task resumes through its DAG file, so the imports of that file must still work. Never change a name
here; see ``support.py``.
"""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from airflow_polly_provider.get_provider_info import get_provider_info
from tests.unit.persisted_formats.support import ADVICE, AIRFLOW, imported
from tests.unit.support import own_entry_point, sensor, start_operator


@pytest.mark.parametrize(
    "class_path",
    [
        "airflow_polly_provider.operators.polly.PollyStartSpeechSynthesisTaskOperator",
        "airflow_polly_provider.operators.polly.PollyGetSpeechSynthesisTaskOperator",
        "airflow_polly_provider.operators.polly.PollySynthesizeSpeechOperator",
        "airflow_polly_provider.operators.batch.PollySynthesizeBatchOperator",
        "airflow_polly_provider.operators.document.PollySynthesizeDocumentOperator",
        "airflow_polly_provider.operators.lexicon.PollyPutLexiconOperator",
        "airflow_polly_provider.operators.lexicon.PollyDeleteLexiconOperator",
        "airflow_polly_provider.sensors.polly.PollySpeechSynthesisTaskSensor",
        "airflow_polly_provider.triggers.polly.PollySpeechSynthesisTaskTrigger",
        "airflow_polly_provider.decorators.polly.polly_task",
        "airflow_polly_provider.hooks.polly.PollyHook",
        "airflow_polly_provider.links.polly.PollySynthesisTasksLink",
        "airflow_polly_provider.links.polly.PollyOutputLink",
        "airflow_polly_provider.links.polly.PollyListenLink",
    ],
)
def test_class_path_of_a_dag_file_or_a_serialized_dag_can_be_imported(class_path: str) -> None:
    """Airflow stores the class name as the task type."""
    found = imported(class_path)
    assert found.__name__ == class_path.rpartition(".")[2], ADVICE


@pytest.mark.parametrize("make", [start_operator, sensor])
def test_links_keep_their_names_and_xcom_keys(make: Any) -> None:
    """Airflow 3 stores the URL of a link under a key that contains its class name."""
    arguments = {"synthesis_task_id": "t1"} if make is sensor else {}
    links = make(**arguments).operator_extra_links
    names = ["Listen"] if Version("3.1") <= AIRFLOW else []
    names += ["Amazon Polly synthesis tasks", "Amazon S3 output"]
    assert [link.name for link in links] == names, ADVICE
    if Version("3") <= AIRFLOW:
        keys = ["_link_PollyListenLink"] if Version("3.1") <= AIRFLOW else []
        keys += ["_link_PollySynthesisTasksLink", "_link_PollyOutputLink"]
        assert [link.xcom_key for link in links] == keys, ADVICE


def test_configuration_options_keep_their_names() -> None:
    """``airflow.cfg`` and environment variables contain these names."""
    options = get_provider_info()["config"]["aws_polly"]["options"]
    defaults = {
        "token_namespace": "",
        "status_requests_per_second": "5",
        "start_requests_per_second": "",
        "start_look_seconds": "60",
    }
    assert {name: options[name]["default"] for name in defaults} == defaults, ADVICE


@pytest.mark.parametrize(
    ("group", "name"), [("apache_airflow_provider", "provider_info"), ("airflow.plugins", "polly")]
)
def test_entry_points_keep_their_names(group: str, name: str) -> None:
    assert own_entry_point(group).name == name, ADVICE
