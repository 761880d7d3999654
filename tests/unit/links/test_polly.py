"""The links to the AWS console and to the tab *Listen*."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import XCom
from airflow_polly_provider.links import polly as links
from airflow_polly_provider.links.polly import PollyListenLink, PollyOutputLink, PollySynthesisTasksLink
from airflow_polly_provider.operators.batch import PollySynthesizeBatchOperator
from airflow_polly_provider.operators.document import PollySynthesizeDocumentOperator
from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator
from airflow_polly_provider.settings import has_listen_tab
from tests.unit.support import connection, execute, get_operator, sensor, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.support import Wire

CUSTOM = {"endpoint_url": "http://localhost:4566", "region_name": "eu-west-1"}
CONSOLE = [PollySynthesisTasksLink(), PollyOutputLink()]
PAGE = "/dags/d/runs/r/tasks/t/plugin/polly-listen"

needs_tab = pytest.mark.skipif(not has_listen_tab(), reason="The tab needs Airflow 3.1")


def key(dag_id: str = "d", run_id: str = "r", task_id: str = "t", map_index: int | None = -1) -> Any:
    return SimpleNamespace(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)


def speech_operator(**arguments: Any) -> PollySynthesizeSpeechOperator:
    return PollySynthesizeSpeechOperator(task_id="speak", text="Hello", voice_id="Amy", **arguments)


class TestConsoleLinks:
    @pytest.mark.parametrize("link", CONSOLE)
    @pytest.mark.parametrize("make", [start_operator, get_operator, sensor])
    def test_lead_to_the_console_on_the_worker(self, wire: Wire, make: Any, link: Any) -> None:
        wire.script_start(synthesis_task(), synthesis_task())
        operator = make()
        assert link.get_link(operator, ti_key=key()) == ""
        execute(operator)
        assert link.get_link(operator, ti_key=key()).startswith("https://eu-west-1.console.aws.amazon.com/")

    @pytest.mark.parametrize("link", CONSOLE)
    def test_are_empty_on_the_worker_for_a_custom_endpoint(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, link: Any
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(**CUSTOM))
        wire.script_start(synthesis_task(), synthesis_task())
        operator = start_operator()
        execute(operator)
        assert link.get_link(operator, ti_key=key()) == ""

    @pytest.mark.parametrize("link", CONSOLE)
    @pytest.mark.parametrize(
        ("pushed", "is_shown"),
        [({"CustomEndpoint": True}, False), ({"CustomEndpoint": False}, True), (None, True)],
    )
    def test_depend_on_the_xcom_in_the_webserver(
        self, monkeypatch: pytest.MonkeyPatch, link: Any, pushed: Any, is_shown: bool
    ) -> None:
        """A task of an earlier version has no such XCom."""
        xcoms = {"OutputUri": synthesis_task()["OutputUri"], "AwsConnection": pushed}
        monkeypatch.setattr(XCom, "get_value", lambda *, key, ti_key: xcoms[key])
        assert bool(link.get_link(SimpleNamespace(), ti_key=key())) == is_shown


@needs_tab
class TestListenLink:
    def link(self, ti_key: Any = None, **attributes: Any) -> str:
        operator: Any = SimpleNamespace(**{"has_audio_in_s3": True, **attributes})
        return PollyListenLink().get_link(operator, ti_key=ti_key or key())

    def test_leads_to_the_tab_of_the_task_instance(self) -> None:
        assert self.link() == PAGE

    def test_contains_the_index_of_a_mapped_task(self) -> None:
        page = "/dags/d/runs/r/tasks/t/mapped/0/plugin/polly-listen"
        assert self.link(key(map_index=0)) == page

    def test_has_no_index_if_airflow_gives_none(self) -> None:
        assert self.link(key(map_index=None)) == PAGE

    def test_encodes_the_ids(self) -> None:
        found = self.link(key("d é", "manual__2025-01-02T03:04:05+00:00/a?b#c", "group.t"))
        assert found == (
            "/dags/d%20%C3%A9/runs/manual__2025-01-02T03%3A04%3A05%2B00%3A00%2Fa%3Fb%23c/tasks/group.t/"
            "plugin/polly-listen"
        )

    @pytest.mark.parametrize(
        ("base_url", "start"),
        [
            ("https://airflow.example.com", "https://airflow.example.com"),
            ("https://example.com/team/airflow/", "https://example.com/team/airflow"),
            ("/airflow", "/airflow"),
            ("/", ""),
        ],
    )
    def test_begins_with_the_base_url(
        self, monkeypatch: pytest.MonkeyPatch, base_url: str, start: str
    ) -> None:
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
        assert self.link() == start + PAGE

    def test_is_empty_if_the_tab_is_turned_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AWS_POLLY__LISTEN", "False")
        assert self.link() == ""

    def test_is_empty_without_audio_in_s3(self) -> None:
        assert self.link(has_audio_in_s3=False) == ""
        assert PollyListenLink().get_link(SimpleNamespace(), ti_key=key()) == ""  # type: ignore[arg-type]

    def test_is_empty_on_an_airflow_without_the_tab(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(links, "has_listen_tab", lambda: False)
        assert self.link() == ""

    @pytest.mark.parametrize("make", [start_operator, get_operator, sensor])
    def test_is_present_after_the_task(self, wire: Wire, make: Any) -> None:
        wire.script_start(synthesis_task(), synthesis_task())
        operator = make()
        assert PollyListenLink().get_link(operator, ti_key=key()) == ""
        execute(operator)
        assert PollyListenLink().get_link(operator, ti_key=key()) == PAGE

    def test_is_empty_after_a_dry_run(self, wire: Wire) -> None:
        operator = start_operator(dry_run=True)
        execute(operator)
        assert PollyListenLink().get_link(operator, ti_key=key()) == ""


@pytest.mark.parametrize(
    "operator_class",
    [
        *(type(make()) for make in (start_operator, get_operator, sensor)),
        PollySynthesizeSpeechOperator,
        PollySynthesizeBatchOperator,
        PollySynthesizeDocumentOperator,
    ],
)
def test_every_speaking_operator_has_the_link_to_the_tab_if_airflow_can_show_it(operator_class: Any) -> None:
    """Without the tab, a link would be a disabled button."""
    names = [link.name for link in operator_class.operator_extra_links]
    assert ("Listen" in names) == has_listen_tab()
