"""The output of a synthesis task: its S3 object and its SNS notification."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.speech.synthesis import SynthesisError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from airflow_polly_provider.emulator.aws.services import Aws

EXTENSIONS = {"json": "marks", "ogg_vorbis": "ogg", "ogg_opus": "ogg"}
# https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html, the ContentType header.
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "ogg_vorbis": "audio/ogg",
    "ogg_opus": "audio/ogg",
    "pcm": "audio/pcm",
    "mulaw": "audio/mulaw",
    "alaw": "audio/alaw",
    "json": "application/x-json-stream",
}
# Polly's reason if a bucket does not exist, is in another region, or cannot be written to. It was found in
# public reports. The typo is Polly's.
NO_BUCKET_REASON = (
    "Error occurred while trying to upload file to S3. Please verify that the bucket existsin this region "
    "and you have permission to write objects to the specified bucket."
)


def output_key(prefix: str | None, task_id: str, output_format: str) -> str:
    """Return the key of a synthesis task's object, in the form that Polly uses.

    :param prefix: the request's OutputS3KeyPrefix.
    :param task_id: the synthesis task's id.
    :param output_format: the request's OutputFormat.
    """
    return f"{prefix + '.' if prefix else ''}{task_id}.{EXTENSIONS.get(output_format, output_format)}"


def produce(
    request: dict[str, Any],
    key: str,
    *,
    region: str,
    speak: Callable[[], bytes],
    aws: Aws,
    may_write: Callable[[], AbstractContextManager[bool]],
    keep: Callable[[bytes], None] | None = None,
) -> str | None:
    """Synthesize a request's text and write it to its bucket. Blocks; call it from the synthesizer's pool.

    :param request: members of the StartSpeechSynthesisTask request.
    :param key: the object's key.
    :param region: the region in which the synthesis task was started.
    :param speak: a function that returns the speech.
    :param aws: the services that include S3.
    :param may_write: a function that returns a context manager for the write, which yields False if the
        synthesis task has been deleted.
    :param keep: a function that stores the object's content in the state folder; None if there is no folder.
    :return: the reason for a failure; None if the work succeeded.
    """
    bucket = request["OutputS3BucketName"]
    if not aws.bucket_exists(bucket, region):
        return NO_BUCKET_REASON
    try:
        output = speak()
    except SynthesisError as error:
        return f"The synthesis failed: {error}"
    with may_write() as wanted:
        if not wanted:
            return None
        try:
            if keep is not None:
                keep(output)
        except OSError as error:
            return f"The emulator could not write to its state folder: {error}"
        content_type = CONTENT_TYPES[request["OutputFormat"]]
        answer = aws.put_object(bucket, key, output, region=region, content_type=content_type)
    if answer.status != 200:
        code = re.search(r"<Code>(\w+)</Code>", answer.body.decode(errors="replace"))
        return f"Error occurred while trying to upload file to S3: {code[1] if code else answer.status}"
    return None


def sns_notification(task: dict[str, Any]) -> tuple[str, str]:
    """Return the subject and the message of the SNS notification for a finished synthesis task.

    :param task: the SynthesisTask, with times in epoch seconds.
    """
    created = datetime.fromtimestamp(task["CreationTime"], UTC).isoformat(timespec="milliseconds")
    # The emulator's OutputUri is always https://<host>/<bucket>/<key>.
    bucket_and_key = task["OutputUri"].split("/", 3)[3]
    spelled: dict[str, Any] = {
        "TaskStatus": _capitals(task["TaskStatus"]),
        "OutputUri": f"s3://{bucket_and_key}",
        "CreationTime": created.replace("+00:00", "Z"),
        **{name: _camel_case(task[name]) for name in ("OutputFormat", "TextType", "Engine") if name in task},
    }
    notification = {name[0].lower() + name[1:]: value for name, value in (task | spelled).items()}
    subject = f"SynthesisTaskNotification {{ TaskId: {task['TaskId']}, Status: {spelled['TaskStatus']} }}"
    return subject, json.dumps(notification)


def _capitals(status: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status).upper()


def _camel_case(value: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[_-]", value))
