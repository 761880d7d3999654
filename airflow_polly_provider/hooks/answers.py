"""What an answer of Polly must hold, which botocore does not check.

botocore reads an answer that was cut short, and a proxy's page, as an empty one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.exceptions import PollyIncompleteAnswerError

if TYPE_CHECKING:
    from types_boto3_polly.type_defs import SynthesisTaskTypeDef

log = logging.getLogger(__name__)

# An empty collection that the service leaves out; an answer that was cut short on its way is longer.
_LENGTH_OF_NOTHING = str(len("{}"))


def synthesis_task_in(response: Mapping[str, Any], *required: str) -> SynthesisTaskTypeDef:
    """Return the SynthesisTask of an answer.

    :param response: what botocore returned
    :param required: the fields without which it cannot be used
    :raises PollyIncompleteAnswerError: there is none, or a field is missing
    """
    synthesis_task: SynthesisTaskTypeDef = member_of(response, "SynthesisTask")
    if not _has_texts(synthesis_task, *required):
        raise PollyIncompleteAnswerError(_incomplete(f"SynthesisTask with {' and '.join(required)}"))
    return _in_utc(synthesis_task)


def synthesis_tasks_in(page: Mapping[str, Any]) -> list[SynthesisTaskTypeDef]:
    """Return the SynthesisTasks of a page of their list; those that cannot be used are left out.

    :param page: what botocore returned
    :raises PollyIncompleteAnswerError: there is no list, or no usable ``NextToken``
    """
    listed = collection_in(page, "SynthesisTasks", [])
    usable = [_in_utc(each) for each in listed if _has_texts(each, "TaskId", "TaskStatus")]
    if left_out := len(listed) - len(usable):
        log.warning("Ignoring %d listed synthesis tasks without TaskId or TaskStatus", left_out)
    if not isinstance(page.get("NextToken", ""), str):
        raise PollyIncompleteAnswerError(_incomplete("NextToken that is a text"))
    return usable


def member_of(response: Mapping[str, Any], name: str) -> Any:
    """Return a member that the service never leaves out.

    :param response: what botocore returned
    :param name: the member's name
    :raises PollyIncompleteAnswerError: it is missing
    """
    if name not in response:
        raise PollyIncompleteAnswerError(_incomplete(name))
    return response[name]


def collection_in(response: Mapping[str, Any], name: str, empty: Any) -> Any:
    """Return a member that the service may leave out where it is empty.

    :param response: what botocore returned
    :param name: the member's name
    :param empty: what to return in its place
    :raises PollyIncompleteAnswerError: it is missing from an answer that holds something
    """
    if response["ResponseMetadata"]["HTTPHeaders"].get("content-length") == _LENGTH_OF_NOTHING:
        return response.get(name, empty)
    return member_of(response, name)


def _incomplete(what: str) -> str:
    return f"The answer was cut short, or is not Polly's: it holds no {what}."


def _in_utc(synthesis_task: SynthesisTaskTypeDef) -> SynthesisTaskTypeDef:
    """Return a SynthesisTask whose time has a zone: AWS gives one, and other services may not."""
    created = synthesis_task.get("CreationTime")
    if created is None or created.tzinfo is not None:
        return synthesis_task
    return {**synthesis_task, "CreationTime": created.replace(tzinfo=UTC)}


def _has_texts(synthesis_task: object, *required: str) -> bool:
    """Return whether a SynthesisTask has these fields as texts."""
    if not isinstance(synthesis_task, Mapping):
        return False
    texts = [synthesis_task.get(name) for name in required] + [synthesis_task.get("OutputUri", "")]
    return all(isinstance(text, str) for text in texts)
