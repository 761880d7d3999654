"""Additional checks of Polly's responses, which botocore does not make.

botocore parses an incomplete response, or a page from a proxy, as an empty response.
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

# Content-Length of a response from which Polly omitted an empty collection. The Content-Length of a response
# that was cut short is greater.
_EMPTY_BODY_LENGTH = str(len("{}"))


def synthesis_task_in(response: Mapping[str, Any], *required: str) -> SynthesisTaskTypeDef:
    """Return the SynthesisTask in a response.

    :param response: the response from botocore
    :param required: names of the fields that the SynthesisTask must have
    :raises PollyIncompleteAnswerError: the SynthesisTask or a required field is missing
    """
    synthesis_task: SynthesisTaskTypeDef = member_of(response, "SynthesisTask")
    if not _has_texts(synthesis_task, *required):
        raise PollyIncompleteAnswerError(_incomplete(f"SynthesisTask with {' and '.join(required)}"))
    return _in_utc(synthesis_task)


def synthesis_tasks_in(page: Mapping[str, Any]) -> list[SynthesisTaskTypeDef]:
    """Return the usable SynthesisTasks in a page of ListSpeechSynthesisTasks.

    :param page: the response from botocore
    :raises PollyIncompleteAnswerError: the list is missing, or ``NextToken`` is not a string
    """
    listed = collection_in(page, "SynthesisTasks", [])
    usable = [_in_utc(each) for each in listed if _has_texts(each, "TaskId", "TaskStatus")]
    if left_out := len(listed) - len(usable):
        log.warning("Ignoring %d listed synthesis tasks without TaskId or TaskStatus", left_out)
    if not isinstance(page.get("NextToken", ""), str):
        raise PollyIncompleteAnswerError(_incomplete("NextToken that is a string"))
    return usable


def member_of(response: Mapping[str, Any], name: str) -> Any:
    """Return a member that Polly never omits.

    :param response: the response from botocore
    :param name: name of the member
    :raises PollyIncompleteAnswerError: the member is missing
    """
    if name not in response:
        raise PollyIncompleteAnswerError(_incomplete(name))
    return response[name]


def collection_in(response: Mapping[str, Any], name: str, empty: Any) -> Any:
    """Return a member that Polly may omit if it is empty.

    :param response: the response from botocore
    :param name: name of the member
    :param empty: value to return if Polly omitted the member
    :raises PollyIncompleteAnswerError: the member is missing, but the body of the response is not ``{}``
    """
    if response["ResponseMetadata"]["HTTPHeaders"].get("content-length") == _EMPTY_BODY_LENGTH:
        return response.get(name, empty)
    return member_of(response, name)


def _incomplete(what: str) -> str:
    return f"The response is incomplete or not from Polly: it has no {what}."


def _in_utc(synthesis_task: SynthesisTaskTypeDef) -> SynthesisTaskTypeDef:
    """Return a SynthesisTask whose ``CreationTime`` has a time zone; UTC if the response has none.

    AWS always sends a time zone. Other services that implement Polly's API may omit it.
    """
    created = synthesis_task.get("CreationTime")
    if created is None or created.tzinfo is not None:
        return synthesis_task
    return {**synthesis_task, "CreationTime": created.replace(tzinfo=UTC)}


def _has_texts(synthesis_task: object, *required: str) -> bool:
    """Return whether these fields of a SynthesisTask are strings, and ``OutputUri`` too if it is present."""
    if not isinstance(synthesis_task, Mapping):
        return False
    texts = [synthesis_task.get(name) for name in required] + [synthesis_task.get("OutputUri", "")]
    return all(isinstance(text, str) for text in texts)
