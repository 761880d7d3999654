"""The token in the output key, with which a run of an Airflow task finds the synthesis task that it started.

StartSpeechSynthesisTask has no client token, so this package puts its token in ``OutputS3KeyPrefix``. Each
``OutputUri`` that Polly lists then contains the token.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.settings import token_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PREFIX_CHARACTERS = 800
"""Maximum length of ``OutputS3KeyPrefix`` in characters.

Source: https://docs.aws.amazon.com/polly/latest/dg/API_StartSpeechSynthesisTask.html
"""

_NOT_SPEECH = frozenset({"OutputS3BucketName", "OutputS3KeyPrefix", "SnsTopicArn"})

TOKEN_CHARACTERS = 16
"""80 bits in base32. The probability that two of a million tokens are equal is less than one in 10^12."""


class TaskRun(NamedTuple):
    """The identity of one run of an Airflow task, the same for all its tries.

    :param max_tries: the task instance's ``max_tries``. Airflow sets it when it creates or clears the task
        instance, and does not change it for a retry
    :param namespace: the namespace of this deployment, to distinguish deployments that share an AWS account
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    max_tries: int
    namespace: str = ""


def task_run(ti: Any) -> TaskRun:
    """Return the run that a task instance belongs to.

    :param ti: the running task instance
    """
    return TaskRun(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        max_tries=ti.max_tries,
        namespace=token_namespace(),
    )


def request_digest(request: Mapping[str, Any], container: str | None = None) -> str:
    """Return the SHA-256 of a StartSpeechSynthesisTask request, as 64 hexadecimal digits.

    :param request: the request as the user gave it, without a token in its prefix
    :param container: the container format of the audio; part of the hash only if it is given
    """
    made = request if container is None else {**request, "OutputContainer": container}
    canonical = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def speech_digest(
    request: Mapping[str, Any], lexicons: Mapping[str, str], container: str | None = None
) -> str:
    """Return the SHA-256 of everything that affects the audio object, as 64 hexadecimal digits.

    Requests that differ only in bucket, key prefix or SNS topic have the same digest.

    :param request: the request
    :param lexicons: the contents of the lexicons that the request names, by name
    :param container: the container format of the audio; part of the hash only if it is given
    """
    speech = {name: value for name, value in request.items() if name not in _NOT_SPEECH}
    return request_digest({"request": speech, "lexicons": dict(lexicons)}, container)


def request_token(run: TaskRun, digest: str) -> str:
    """Return the token of one request in one run: 16 characters from a-z and 2-7.

    :param run: the run of the Airflow task
    :param digest: the request's :func:`request_digest`
    """
    return _token_of([*run, digest])


def batch_item_token(run_token: str, item_id: str, digest: str) -> str:
    """Return the token of one item of a batch: 16 characters from a-z and 2-7.

    :param run_token: the token of the batch in its run
    :param item_id: the item's id, which is unique in its batch
    :param digest: the :func:`request_digest` of the item's request
    """
    return _token_of([run_token, item_id, digest])


def _token_of(identity: list[Any]) -> str:
    canonical = json.dumps(identity, ensure_ascii=True)
    return base64.b32encode(hashlib.sha256(canonical.encode()).digest()).decode()[:TOKEN_CHARACTERS].lower()


def prefix_with_token(prefix: str | None, token: str) -> str:
    """Return the ``OutputS3KeyPrefix`` that contains ``token``.

    None becomes ``<token>``, ``audio/`` becomes ``audio/<token>``, and ``audio/intro`` becomes
    ``audio/intro-<token>``.

    :param prefix: the prefix as the user gave it
    :param token: the token from :func:`request_token`
    :raises PollyInvalidRequestError: the prefix is so long that the token cannot be appended
    """
    joint = "" if not prefix or prefix.endswith("/") else "-"
    room = MAX_PREFIX_CHARACTERS - TOKEN_CHARACTERS - len(joint)
    if prefix and len(prefix) > room:
        raise PollyInvalidRequestError(
            f"output_s3_key_prefix is too long: it has {len(prefix)} characters. Shorten it to at most "
            f"{room} characters: Polly accepts at most {MAX_PREFIX_CHARACTERS}, and durable=True appends a "
            "token. Or set durable=False."
        )
    return f"{prefix or ''}{joint}{token}"
