from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import Asset, AssetAlias
from hypothesis import given
from hypothesis import strategies as st

from airflow_polly_provider import lineage
from airflow_polly_provider.exceptions import PollySynthesisTaskFailedError
from airflow_polly_provider.lineage import openlineage_of
from airflow_polly_provider.operators.polly import PollyGetSpeechSynthesisTaskOperator
from airflow_polly_provider.sensors.polly import PollySpeechSynthesisTaskSensor
from airflow_polly_provider.synthesis_task import to_xcom_value
from airflow_polly_provider.triggers.events import finished
from tests.unit.support import context, execute, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.support import Wire

URI = "s3://bucket/audio.t1.mp3"
EXTRA = {"TaskId": "t1", "TaskStatus": "completed", "OutputS3Uri": URI, "RequestCharacters": 5}
AUDIO = Asset(uri="s3://my-audio/announcements")
TABLE = Asset(uri="postgres://host:5432/database/schema/table")
ALIAS = AssetAlias(name="spoken")

SCHEDULED = synthesis_task(status="scheduled")
COMPLETED = synthesis_task(status="completed")
FAILED = synthesis_task(status="failed", TaskStatusReason="The bucket does not exist")


@pytest.fixture(autouse=True)
def _collecting(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    """Let Airflow collect hook lineage, as it does where something reads it."""
    try:
        from airflow.sdk import lineage
    except ImportError:
        from airflow.lineage import hook as lineage
    collector = lineage.HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)


def collected() -> list[str]:
    return [output.asset.uri for output in get_hook_lineage_collector().collected_assets.outputs]


def answer_with(wire: Wire, started: dict[str, Any], later: dict[str, Any]) -> None:
    """Answer a start with one SynthesisTask and every check after it with another."""
    wire.answer = lambda request: started if request.operation == "StartSpeechSynthesisTask" else later


def start(**arguments: Any) -> Any:
    return start_operator(durable=False, **arguments)


def get(**arguments: Any) -> Any:
    return PollyGetSpeechSynthesisTaskOperator(task_id="get", synthesis_task_id="t1", **arguments)


def sensor(**arguments: Any) -> Any:
    return PollySpeechSynthesisTaskSensor(task_id="sense", synthesis_task_id="t1", **arguments)


def outlet_events() -> Any:
    """Airflow's own accessors of outlet events."""
    try:
        from airflow.sdk.execution_time.context import OutletEventAccessors
    except ImportError:
        from airflow.utils.context import OutletEventAccessors
    return OutletEventAccessors()


def run(operator: Any) -> tuple[Any, Any]:
    """What a run returns, and the outlet events that it leaves."""
    running_context = {**context(), "outlet_events": outlet_events()}
    return execute(operator, running_context), running_context["outlet_events"]


def alias_events(events: Any) -> list[tuple[str, Any]]:
    accessor = events[ALIAS]
    made = getattr(accessor, "asset_alias_events", None) or getattr(accessor, "dataset_alias_events", [])
    return [(_dest_uri(event), event["extra"] if isinstance(event, dict) else event.extra) for event in made]


def _dest_uri(event: Any) -> str:
    return str(event["dest_dataset_uri"] if isinstance(event, dict) else event.dest_asset_key.uri)


class TestHookLineage:
    @pytest.mark.parametrize("operator", [start(), get(wait_for_completion=True), sensor()])
    def test_has_the_object_of_whoever_waited_for_it(self, operator: Any, wire: Wire) -> None:
        answer_with(wire, COMPLETED, COMPLETED)
        run(operator)
        assert collected() == [URI]

    def test_has_it_after_a_deferral(self) -> None:
        start(deferrable=True).execute_complete(context(), finished(COMPLETED))
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
    def test_and_events_tell_apart_what_airflow_would_refuse_or_cut(self, key: str, asset: str) -> None:
        running_context = {**context(), "outlet_events": outlet_events()}
        done = {**COMPLETED, "OutputUri": f"https://s3.eu-west-1.amazonaws.com/my-audio/{key}"}
        start(deferrable=True, outlets=[ALIAS]).execute_complete(running_context, finished(done))
        assert collected() == [f"s3://my-audio/{asset}"]
        [(uri, extra)] = alias_events(running_context["outlet_events"])
        assert uri == f"s3://my-audio/{asset}"
        assert extra["OutputS3Uri"] == f"s3://my-audio/{key}"

    def test_and_events_do_without_what_airflow_refuses_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Refusing:
            def __init__(self, **_: object) -> None:
                raise ValueError("no such asset")

        monkeypatch.setattr(lineage, "Asset", Refusing)
        running_context = {**context(), "outlet_events": outlet_events()}
        start(deferrable=True, outlets=[ALIAS]).execute_complete(running_context, finished(COMPLETED))
        assert (collected(), alias_events(running_context["outlet_events"])) == ([], [])
        assert "no such asset" in caplog.text

    @pytest.mark.parametrize(
        ("operator", "later"),
        [
            (start(wait_for_completion=False), SCHEDULED),
            (get(), SCHEDULED),
            # Somebody else's object, looked up.
            (get(), COMPLETED),
        ],
    )
    def test_has_nothing_that_this_task_did_not_see_written(
        self, operator: Any, later: Any, wire: Wire
    ) -> None:
        answer_with(wire, SCHEDULED, later)
        run(operator)
        assert collected() == []

    def test_has_nothing_of_a_synthesis_task_that_failed(self, wire: Wire) -> None:
        answer_with(wire, SCHEDULED, FAILED)
        for operator in (start(), get(wait_for_completion=True), sensor()):
            with pytest.raises(PollySynthesisTaskFailedError):
                run(operator)
        run(get())
        assert collected() == []

    def test_has_nothing_where_output_uri_cannot_be_read(self, wire: Wire) -> None:
        answer_with(wire, SCHEDULED, {**COMPLETED, "OutputUri": "https://elsewhere"})
        run(start(outlets=[ALIAS]))
        assert collected() == []


class TestAssetEvents:
    @pytest.mark.parametrize("make", [start, get, sensor])
    def test_of_every_s3_asset_tell_of_the_object(self, make: Any, wire: Wire) -> None:
        answer_with(wire, COMPLETED, COMPLETED)
        other = Asset(uri="s3://my-audio")
        _, events = run(make(outlets=[AUDIO, TABLE, other]))
        assert events[AUDIO].extra == events[other].extra == EXTRA
        assert events[TABLE].extra == {}

    def test_tell_of_it_after_a_deferral(self) -> None:
        running_context = {**context(), "outlet_events": outlet_events()}
        start(deferrable=True, outlets=[AUDIO]).execute_complete(running_context, finished(COMPLETED))
        assert running_context["outlet_events"][AUDIO].extra == EXTRA

    def test_keep_what_the_user_put_into_them(self, wire: Wire) -> None:
        operator = start(outlets=[AUDIO], wait_for_completion=False)
        running_context = {**context(), "outlet_events": outlet_events()}
        running_context["outlet_events"][AUDIO].extra["edition"] = 7
        execute(operator, running_context)
        assert running_context["outlet_events"][AUDIO].extra["edition"] == 7

    def test_of_a_start_that_does_not_wait_say_that_nothing_is_written_yet(self, wire: Wire) -> None:
        answer_with(wire, SCHEDULED, SCHEDULED)
        _, events = run(start(outlets=[AUDIO], wait_for_completion=False))
        assert events[AUDIO].extra == {**EXTRA, "TaskStatus": "scheduled"}

    def test_of_an_alias_are_the_objects_own(self, wire: Wire) -> None:
        answer_with(wire, COMPLETED, COMPLETED)
        _, events = run(start(outlets=[ALIAS]))
        assert alias_events(events) == [(URI, EXTRA)]

    def test_of_an_alias_are_none_before_the_object_is_written(self, wire: Wire) -> None:
        answer_with(wire, SCHEDULED, SCHEDULED)
        _, events = run(start(outlets=[ALIAS], wait_for_completion=False))
        assert alias_events(events) == []

    def test_of_an_object_that_skip_if_unchanged_left_alone_say_so(self) -> None:
        running_context = {**context(), "outlet_events": outlet_events()}
        unchanged = {**COMPLETED, "RequestCharacters": 0, "Unchanged": True}
        start(outlets=[AUDIO, ALIAS])._hand_over(running_context, unchanged, failed_is_error=True)
        events = running_context["outlet_events"]
        assert events[AUDIO].extra == {**EXTRA, "RequestCharacters": 0, "Unchanged": True}
        assert (alias_events(events), collected()) == ([], [])


@given(st.text("09azAZ/!-_.*'():;$@=+,?&", max_size=800))
def test_every_key_that_polly_may_write_makes_an_asset(prefix: str) -> None:
    """An error here would fail a task whose synthesis task is billed."""
    assert Asset(uri=f"s3://bucket/{prefix}.t1.mp3").uri.startswith("s3://bucket")


class TestOpenLineage:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("airflow.providers.openlineage")

    def test_is_told_of_the_object_and_its_synthesis_task(self, wire: Wire) -> None:
        answer_with(wire, COMPLETED, {**COMPLETED, "Engine": "neural"})
        operator = get(wait_for_completion=True)
        run(operator)
        told = operator.get_openlineage_facets_on_complete(None)
        (output,) = told.outputs
        assert (output.namespace, output.name) == ("s3://bucket", "audio.t1.mp3")
        assert {tag.key: tag.value for tag in output.facets["tags"].tags} == {
            "TaskId": "t1",
            "RequestCharacters": "5",
            "VoiceId": "Amy",
            "Engine": "neural",
            "OutputFormat": "mp3",
        }
        query = told.run_facets["externalQuery"]
        assert (query.externalQueryId, query.source) == ("t1", "polly")

    def test_is_told_of_a_key_literally(self) -> None:
        uri = "https://s3.eu-west-1.amazonaws.com/bucket/a?b=1&c=+:;$@,.t1.mp3"
        (output,) = openlineage_of(to_xcom_value({**COMPLETED, "OutputUri": uri})).outputs
        assert output.name == "a?b=1&c=+:;$@,.t1.mp3"

    def test_is_told_of_an_object_without_a_synthesis_task(self) -> None:
        told = openlineage_of({"OutputS3Uri": URI, "RequestCharacters": 5})
        assert [output.name for output in told.outputs] == ["audio.t1.mp3"]
        assert told.run_facets == {}

    def test_is_told_nothing_before_the_object_is_written(self, wire: Wire) -> None:
        answer_with(wire, SCHEDULED, SCHEDULED)
        operator = start(wait_for_completion=False)
        run(operator)
        told = operator.get_openlineage_facets_on_complete(None)
        assert (told.outputs, told.run_facets) == ([], {})
