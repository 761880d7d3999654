"""The metadata of an S3 object at ``output_s3_key``.

Such objects outlive every upgrade. A later run recognizes an object by this metadata; otherwise it starts and
pays for another synthesis task.
Never change a value here; see ``support.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.persisted_formats.support import (
    ADVICE,
    FINAL,
    METADATA,
    METADATA_NOW,
    ORIGINAL,
    ORIGINAL_URI,
    TASK_ID,
    assert_unchanged,
)
from tests.unit.support import context, execute, start_operator, synthesis_task

if TYPE_CHECKING:
    from tests.unit.persisted_formats.support import Account


def start(account: Account, run_id: str = "run", try_number: int = 1, **arguments: Any) -> dict[str, Any]:
    """Run a start operator with ``output_s3_key``; its synthesis task completes at once."""
    account.script_start(synthesis_task(TASK_ID, "completed", OutputUri=ORIGINAL_URI))
    account.objects[ORIGINAL] = {}
    operator = start_operator(
        output_s3_key_prefix="audio/intro", output_s3_key="final/hello.mp3", **arguments
    )
    value: dict[str, Any] = execute(operator, context(run_id=run_id, try_number=try_number))
    return value


def test_metadata_records_the_origin_of_the_object(account: Account) -> None:
    start(account)
    assert_unchanged(account.objects[FINAL], METADATA_NOW)


def test_object_of_an_earlier_try_is_adopted(account: Account) -> None:
    account.objects[FINAL] = dict(METADATA_NOW)
    assert start(account, try_number=2)["TaskId"] == TASK_ID
    assert account.requests == [], ADVICE


def test_object_of_an_earlier_try_of_the_earlier_version_is_adopted(account: Account) -> None:
    account.objects[FINAL] = dict(METADATA)
    value = start(account, try_number=2)
    assert account.requests == [], ADVICE
    assert ("DELETE", ORIGINAL) in account.s3_requests, "the original of the earlier try is removed"
    assert (value["TaskId"], value["RequestCharacters"]) == (TASK_ID, 5)
    assert value["CreationTime"] == "2025-01-02T03:04:05+00:00"
    assert value["OutputUri"] == "https://s3.eu-west-1.amazonaws.com/my-bucket/final/hello.mp3"


def test_object_that_exists_before_the_first_try_of_a_run_is_not_adopted(account: Account) -> None:
    """The object is from a deleted run with the same name; a lexicon may have changed since then."""
    account.objects[FINAL] = dict(METADATA)
    for durable in (True, False):
        account.requests.clear()
        start(account, durable=durable)
        assert [request.operation for request in account.requests] == ["StartSpeechSynthesisTask"]


@pytest.mark.parametrize(
    "metadata",
    [
        {**METADATA, "polly-creation-time": "2025-01-02T02:00:00+00:00"},
        {**METADATA_NOW, "polly-run-began": "2025-01-02T03:03:00+00:00"},
    ],
    ids=["earlier version, an hour ago", "a minute ago"],
)
def test_object_of_a_deleted_run_with_the_same_name_is_not_adopted(
    account: Account, metadata: dict[str, str]
) -> None:
    account.objects[FINAL] = metadata
    start(account, try_number=2, durable=False)
    assert [request.operation for request in account.requests] == ["StartSpeechSynthesisTask"]


def test_object_of_an_earlier_run_of_the_earlier_version_is_reported_as_unchanged(account: Account) -> None:
    account.objects[FINAL] = dict(METADATA)
    value = start(account, run_id="next", skip_if_unchanged=True)
    assert account.requests == [], ADVICE
    assert (value["TaskId"], value["RequestCharacters"], value["Unchanged"]) == (TASK_ID, 0, True)


@pytest.mark.parametrize(
    "metadata", [{}, {**METADATA, "polly-speech-digest": "0" * 64}], ids=["foreign", "different speech"]
)
def test_object_with_another_origin_is_replaced(account: Account, metadata: dict[str, str]) -> None:
    account.objects[FINAL] = metadata
    start(account, run_id="next", skip_if_unchanged=True)
    assert [request.operation for request in account.requests] == ["StartSpeechSynthesisTask"]
