from __future__ import annotations

import copy
import importlib
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider.compat import Asset, AssetAlias
from airflow_polly_provider.exceptions import PollySynthesisTaskFailedError
from airflow_polly_provider.output.placement import OutputPlacement, Reusable
from airflow_polly_provider.output.provenance import Provenance
from airflow_polly_provider.results import lineage
from airflow_polly_provider.results.lineage import openlineage_of
from airflow_polly_provider.results.synthesis_task import to_xcom_value
from airflow_polly_provider.triggers.events import success_event
from tests.unit.support import context, execute, get_operator, sensor, start_operator, synthesis_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.support import Wire

URI = "s3://bucket/audio.t1.mp3"
EXTRA = {
    "TaskId": "t1",
    "TaskStatus": "completed",
    "OutputS3Uri": URI,
    "RequestCharacters": 5,
    "SpokenCharacters": 5,
    "DurationSeconds": 3.0,
}
AUDIO = Asset(uri="s3://my-audio/announcements")
TABLE = Asset(uri="postgres://host:5432/database/schema/table")
ALIAS = AssetAlias(name="spoken")

SCHEDULED = synthesis_task(status="scheduled")
COMPLETED = synthesis_task(status="completed")
FAILED = synthesis_task(status="failed", TaskStatusReason="The bucket does not exist")


@pytest.fixture(autouse=True)
def _collecting(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    """Collect hook lineage, as Airflow does if a plugin reads lineage."""
    airflows_lineage: Any
    try:
        airflows_lineage = importlib.import_module("airflow.sdk.lineage")
    except ImportError:  # Airflow before 3.2
        airflows_lineage = importlib.import_module("airflow.lineage.hook")
    collector = airflows_lineage.HookLineageCollector()
    monkeypatch.setattr(airflows_lineage, "get_hook_lineage_collector", lambda: collector)


def collected() -> list[str]:
    """Return the URIs of the output assets in Airflow's hook lineage."""
    return [output.asset.uri for output in get_hook_lineage_collector().collected_assets.outputs]


def start(**arguments: Any) -> Any:
    return start_operator(durable=False, **arguments)


def outlet_events() -> Any:
    """Return Airflow's outlet event accessors, without any event."""
    try:
        from airflow.sdk.execution_time.context import OutletEventAccessors
    except ImportError:
        from airflow.utils.context import OutletEventAccessors
    return OutletEventAccessors()


def run(operator: Any) -> tuple[Any, Any]:
    """Run an operator; return its result and its outlet events."""
    running_context = {**context(), "outlet_events": outlet_events()}
    return execute(operator, running_context), running_context["outlet_events"]


def alias_events(events: Any) -> list[tuple[str, Any]]:
    """Return the asset and the extra of each of the alias's events."""
    accessor = events[ALIAS]
    made = getattr(accessor, "asset_alias_events", None) or getattr(accessor, "dataset_alias_events", [])
    return [(_dest_uri(event), event["extra"] if isinstance(event, dict) else event.extra) for event in made]


def _dest_uri(event: Any) -> str:
    return str(event["dest_dataset_uri"] if isinstance(event, dict) else event.dest_asset_key.uri)


class TestHookLineage:
    @pytest.mark.parametrize("operator", [start(), get_operator(wait_for_completion=True), sensor()])
    def test_contains_the_object_of_each_operator_that_waited_for_it(self, operator: Any, wire: Wire) -> None:
        wire.script_start(COMPLETED, COMPLETED)
        run(operator)
        assert collected() == [URI]

    def test_contains_the_object_after_a_deferral(self) -> None:
        start(deferrable=True).execute_complete(context(), success_event(COMPLETED))
        assert collected() == [URI]

    @pytest.mark.parametrize(
        ("key", "asset"),
        [
            ("Zürich 1.mp3", "Z%C3%BCrich%201.mp3"),
            ("take#2.mp3", "take%232.mp3"),
            ("take?b&a=1.mp3", "take%3Fb&a=1.mp3"),
            ("100%.mp3", "100%25.mp3"),
        ],
    )
    def test_and_asset_events_percent_encode_characters_that_airflow_would_refuse_or_truncate(
        self, key: str, asset: str
    ) -> None:
        running_context = {**context(), "outlet_events": outlet_events()}
        done = {**COMPLETED, "OutputUri": f"https://s3.eu-west-1.amazonaws.com/my-audio/{key}"}
        start(deferrable=True, outlets=[ALIAS]).execute_complete(running_context, success_event(done))
        assert collected() == [f"s3://my-audio/{asset}"]
        [(uri, extra)] = alias_events(running_context["outlet_events"])
        assert uri == f"s3://my-audio/{asset}"
        assert extra["OutputS3Uri"] == f"s3://my-audio/{key}"

    def test_and_asset_events_omit_an_object_whose_asset_airflow_refuses(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Refusing:
            def __init__(self, **_: object) -> None:
                raise ValueError("no such asset")

        monkeypatch.setattr(lineage, "Asset", Refusing)
        running_context = {**context(), "outlet_events": outlet_events()}
        start(deferrable=True, outlets=[ALIAS]).execute_complete(running_context, success_event(COMPLETED))
        assert (collected(), alias_events(running_context["outlet_events"])) == ([], [])
        assert "no such asset" in caplog.text

    @pytest.mark.parametrize(
        ("operator", "later"),
        [
            (start(wait_for_completion=False), SCHEDULED),
            (get_operator(), SCHEDULED),
            # An object that another task wrote.
            (get_operator(), COMPLETED),
        ],
    )
    def test_omits_an_object_that_this_task_did_not_wait_for(
        self, operator: Any, later: dict[str, Any], wire: Wire
    ) -> None:
        wire.script_start(SCHEDULED, later)
        run(operator)
        assert collected() == []

    def test_contains_no_object_if_the_synthesis_task_failed(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, FAILED)
        for operator in (start(), get_operator(wait_for_completion=True), sensor()):
            with pytest.raises(PollySynthesisTaskFailedError):
                run(operator)
        run(get_operator())
        assert collected() == []

    def test_contains_no_object_if_output_uri_cannot_be_parsed(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, {**COMPLETED, "OutputUri": "https://elsewhere"})
        run(start(outlets=[ALIAS]))
        assert collected() == []


class TestAssetEvents:
    @pytest.mark.parametrize("make", [start, get_operator, sensor])
    def test_of_s3_assets_describe_the_object_and_other_assets_have_no_extra(
        self, make: Any, wire: Wire
    ) -> None:
        wire.script_start(COMPLETED, COMPLETED)
        other = Asset(uri="s3://my-audio")
        _, events = run(make(outlets=[AUDIO, TABLE, other]))
        assert events[AUDIO].extra == events[other].extra == EXTRA
        assert events[TABLE].extra == {}

    def test_describe_the_object_after_a_deferral(self) -> None:
        running_context = {**context(), "outlet_events": outlet_events()}
        start(deferrable=True, outlets=[AUDIO]).execute_complete(running_context, success_event(COMPLETED))
        assert running_context["outlet_events"][AUDIO].extra == EXTRA

    def test_keep_the_extra_that_the_user_has_set(self, wire: Wire) -> None:
        operator = start(outlets=[AUDIO], wait_for_completion=False)
        running_context = {**context(), "outlet_events": outlet_events()}
        running_context["outlet_events"][AUDIO].extra["edition"] = 7
        execute(operator, running_context)
        assert running_context["outlet_events"][AUDIO].extra["edition"] == 7

    def test_of_a_start_that_does_not_wait_have_the_status_scheduled(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        _, events = run(start(outlets=[AUDIO], wait_for_completion=False))
        known = {key: value for key, value in EXTRA.items() if key != "DurationSeconds"}
        assert events[AUDIO].extra == {**known, "TaskStatus": "scheduled"}

    def test_of_an_alias_name_the_object_itself(self, wire: Wire) -> None:
        wire.script_start(COMPLETED, COMPLETED)
        _, events = run(start(outlets=[ALIAS]))
        assert alias_events(events) == [(URI, EXTRA)]

    def test_of_an_alias_do_not_exist_before_the_object_is_written(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        _, events = run(start(outlets=[ALIAS], wait_for_completion=False))
        assert alias_events(events) == []

    def test_of_an_unchanged_object_say_unchanged_without_alias_event_or_lineage(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def find(_: OutputPlacement, request: Mapping[str, Any], **__: Any) -> Reusable:
            """Find an object at output_s3_key that an earlier run made from the same request."""
            made = Provenance("t1", COMPLETED["OutputUri"], "unknown", "5", "another-run", "digest")
            unchanged = {"RequestCharacters": 0, "SpokenCharacters": 5, "Unchanged": True}
            synthesis_task = {**COMPLETED, **unchanged}
            return Reusable(synthesis_task, made, by_this_run=False)

        monkeypatch.setattr(OutputPlacement, "find_reusable", find)
        operator = start(output_s3_key="audio.t1.mp3", skip_if_unchanged=True, outlets=[AUDIO, ALIAS])
        _, events = run(operator)
        assert events[AUDIO].extra == {**EXTRA, "RequestCharacters": 0, "Unchanged": True}
        assert (alias_events(events), collected()) == ([], [])


@given(st.text("09azAZ/!-_.*'():;$@=+,?&", max_size=800))
def test_every_key_that_polly_may_write_makes_an_asset(prefix: str) -> None:
    """An error here would fail the task after its synthesis task was billed."""
    assert Asset(uri=f"s3://bucket/{prefix}.t1.mp3").uri.startswith("s3://bucket")


class TestOpenLineage:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("airflow.providers.openlineage")

    def test_has_the_object_as_output_and_the_synthesis_task_as_external_query(self, wire: Wire) -> None:
        wire.script_start(COMPLETED, {**COMPLETED, "Engine": "neural"})
        operator = get_operator(wait_for_completion=True)
        run(operator)
        reported = operator.get_openlineage_facets_on_complete(None)
        (output,) = reported.outputs
        assert (output.namespace, output.name) == ("s3://bucket", "audio.t1.mp3")
        assert {tag.key: tag.value for tag in output.facets["tags"].tags} == {
            "TaskId": "t1",
            "RequestCharacters": "5",
            "DurationSeconds": "3.0",
            "VoiceId": "Amy",
            "Engine": "neural",
            "OutputFormat": "mp3",
        }
        query = reported.run_facets["externalQuery"]
        assert (query.externalQueryId, query.source) == ("t1", "polly")

    def test_has_the_key_without_percent_encoding(self) -> None:
        uri = "https://s3.eu-west-1.amazonaws.com/bucket/a?b=1&c=+:;$@,.t1.mp3"
        (output,) = openlineage_of(to_xcom_value({**COMPLETED, "OutputUri": uri})).outputs
        assert output.name == "a?b=1&c=+:;$@,.t1.mp3"

    def test_has_the_object_of_speech_without_a_synthesis_task(self) -> None:
        reported = openlineage_of({"OutputS3Uri": URI, "RequestCharacters": 5})
        assert [output.name for output in reported.outputs] == ["audio.t1.mp3"]
        assert reported.run_facets == {}

    def test_of_one_run_contains_nothing_from_another_run_of_the_same_operator(self, wire: Wire) -> None:
        """Airflow runs shallow copies of the DAG's operator; ``dag.test()`` runs several in one process."""
        wire.script_start(COMPLETED, COMPLETED)
        operator = start()
        first, second = copy.copy(operator), copy.copy(operator)
        execute(first)
        assert first.get_openlineage_facets_on_complete(None).outputs
        assert second.get_openlineage_facets_on_complete(None).outputs == []

    def test_has_no_output_before_the_object_is_written(self, wire: Wire) -> None:
        wire.script_start(SCHEDULED, SCHEDULED)
        operator = start(wait_for_completion=False)
        run(operator)
        reported = operator.get_openlineage_facets_on_complete(None)
        assert (reported.outputs, reported.run_facets) == ([], {})
