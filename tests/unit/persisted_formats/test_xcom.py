"""The XComs that each operator and the sensor push, and the extra of an asset event.

They remain in Airflow's database, and later tasks and other DAGs read them by these names. Never change a
value here or in ``golden``; see ``support.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_polly_provider.compat import Asset
from airflow_polly_provider.operators.lexicon import PollyDeleteLexiconOperator, PollyPutLexiconOperator
from airflow_polly_provider.operators.polly import PollySynthesizeSpeechOperator
from tests.unit.persisted_formats.support import (
    FINAL,
    METADATA,
    ORIGINAL,
    ORIGINAL_URI,
    PRONUNCIATION,
    TASK_ID,
    assert_unchanged,
    full_synthesis_task,
    golden,
    with_connection,
    with_spoken_characters,
    xcoms_of,
)
from tests.unit.support import context, get_operator, sensor, start_operator, synthesis_task

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.persisted_formats.support import Account

KEY: dict[str, Any] = {
    "output_s3_key": "final/hello.mp3",
    "output_s3_key_prefix": "audio/intro",
    "skip_if_unchanged": True,
}


def check(written: dict[str, Any], case: str) -> None:
    """Check that the XComs equal the golden case with what newer versions add."""
    assert_unchanged(written, with_connection(with_spoken_characters(golden("xcoms")[case])))


class TestSynthesisTask:
    @pytest.mark.parametrize("wait", [True, False])
    def test_is_pushed_by_the_start_operator(self, account: Account, wait: bool) -> None:
        status = "completed" if wait else "scheduled"
        account.script_start(full_synthesis_task(synthesis_task_id=TASK_ID, status=status))
        check(
            xcoms_of(start_operator(wait_for_completion=wait)), "start" if wait else "start_without_waiting"
        )

    def test_with_output_s3_key_is_pushed_by_the_start_operator(self, account: Account) -> None:
        account.script_start(synthesis_task(TASK_ID, OutputUri=ORIGINAL_URI))
        account.objects[ORIGINAL] = {}
        check(xcoms_of(start_operator(**KEY)), "start_output_key")

    def test_of_an_object_of_an_earlier_try_is_pushed(self, account: Account) -> None:
        account.objects[FINAL] = dict(METADATA)
        retry = context(try_number=2)
        check(xcoms_of(start_operator(**KEY), **retry), "start_found_of_this_run")

    def test_of_an_unchanged_object_is_pushed(self, account: Account) -> None:
        account.objects[FINAL] = dict(METADATA)
        check(xcoms_of(start_operator(**KEY), **context(run_id="next")), "start_unchanged")

    def test_of_an_unchanged_object_without_a_count_in_its_metadata_has_the_count_of_the_request(
        self, account: Account
    ) -> None:
        account.objects[FINAL] = {**METADATA, "polly-request-characters": "0"}
        written = xcoms_of(start_operator(**KEY), **context(run_id="next"))
        expected = with_spoken_characters(golden("xcoms")["start_unchanged"], len("Hello there"))
        assert_unchanged(written, with_connection(expected))

    @pytest.mark.parametrize("status", ["completed", "failed", "inProgress"])
    def test_is_pushed_by_the_get_operator(self, account: Account, status: str) -> None:
        reason = {"TaskStatusReason": "The bucket does not exist."} if status == "failed" else {}
        account.answer = lambda _: full_synthesis_task(synthesis_task_id=TASK_ID, status=status, **reason)
        check(xcoms_of(get_operator(synthesis_task_id=TASK_ID)), f"get_{status}")

    def test_is_pushed_by_the_sensor(self, account: Account) -> None:
        account.answer = lambda _: full_synthesis_task(synthesis_task_id=TASK_ID)
        check(xcoms_of(sensor(synthesis_task_id=TASK_ID)), "sensor")

    @pytest.mark.parametrize("make", [get_operator, sensor])
    def test_of_the_earlier_version_is_accepted_as_synthesis_task_id(
        self, account: Account, make: Any
    ) -> None:
        account.answer = lambda _: synthesis_task(TASK_ID)
        stored = golden("xcoms")["start_without_waiting"]["return_value"]
        assert xcoms_of(make(synthesis_task_id=stored))["TaskId"] == TASK_ID
        assert account.requests[0].synthesis_task_id == TASK_ID


class TestSpeech:
    """The XComs of `PollySynthesizeSpeechOperator`."""

    def operator(self, **arguments: Any) -> PollySynthesizeSpeechOperator:
        return PollySynthesizeSpeechOperator(
            task_id="speak",
            text="Hello",
            voice_id="Amy",
            engine="neural",
            language_code="en-GB",
            lexicon_names=["places"],
            sample_rate=24000,
            text_type="text",
            **arguments,
        )

    def test_in_s3_is_pushed(self, account: Account) -> None:
        place = {"output_s3_bucket_name": "my-bucket", "output_s3_key": "final/hello.mp3"}
        check(xcoms_of(self.operator(**place)), "speech_s3")

    def test_in_a_file_is_pushed(self, account: Account, tmp_path: Path) -> None:
        uri = f"file://{tmp_path}/hello.mp3"
        written = xcoms_of(self.operator(output_path=uri))
        assert written.pop("OutputUri") == written["return_value"].pop("OutputUri") == uri
        check(written, "speech_file")


class TestLexicon:
    def test_is_pushed_if_it_was_put_and_if_it_was_already_stored(self, account: Account) -> None:
        for case in ("lexicon_put", "lexicon_unchanged"):
            operator = PollyPutLexiconOperator(task_id="put", name="places", content=PRONUNCIATION)
            check(xcoms_of(operator), case)

    def test_is_pushed_if_it_was_deleted_and_if_it_was_missing(self, account: Account) -> None:
        account.lexicons["places"] = PRONUNCIATION
        for case in ("lexicon_deleted", "lexicon_missing"):
            operator = PollyDeleteLexiconOperator(task_id="delete", name="places", ignore_if_missing=True)
            check(xcoms_of(operator), case)


def outlet_events() -> Any:
    """Return Airflow's accessors of outlet events, without any event."""
    try:
        from airflow.sdk.execution_time.context import OutletEventAccessors
    except ImportError:
        from airflow.utils.context import OutletEventAccessors
    return OutletEventAccessors()


def test_asset_event_has_the_extra_of_the_synthesis_task(account: Account) -> None:
    outlet = Asset(uri="s3://my-bucket/final")
    events = outlet_events()
    account.answer = lambda _: full_synthesis_task(synthesis_task_id=TASK_ID)
    operator = get_operator(synthesis_task_id=TASK_ID, wait_for_completion=True, outlets=[outlet])
    xcoms_of(operator, outlet_events=events)
    expected = {
        "TaskId": "7e8d1036-b26e-498f-a8aa-a22527ddf6fa",
        "TaskStatus": "completed",
        "OutputS3Uri": "s3://bucket/audio.7e8d1036-b26e-498f-a8aa-a22527ddf6fa.mp3",
        "RequestCharacters": 5,
    }
    assert_unchanged(dict(events[outlet].extra), with_spoken_characters(expected))
