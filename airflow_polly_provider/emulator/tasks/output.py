"""Where a synthesis task's output goes, and how it gets there."""

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
# As seen in public, for a bucket that is missing, elsewhere, or not to be written to; the typo is Polly's.
NO_BUCKET_REASON = (
    "Error occurred while trying to upload file to S3. Please verify that the bucket existsin this region "
    "and you have permission to write objects to the specified bucket."
)


def output_key(prefix: str | None, task_id: str, output_format: str) -> str:
    """Compose the object's key as Polly does.

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
    """Speak a request's text into its bucket. Blocks; call it from the synthesizer's pool.

    :param request: members of StartSpeechSynthesisTask's request.
    :param key: the object's key.
    :param region: where the task was started.
    :param speak: gives the speech.
    :param aws: holds the bucket.
    :param may_write: entered to write; gives False where the task was forgotten meanwhile.
    :param keep: called with what is to be written.
    :return: why it failed, None if it did not.
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
    """Write the notification of a task's end: its subject and its message.

    :param task: the SynthesisTask, times in epoch seconds.
    """
    created = datetime.fromtimestamp(task["CreationTime"], UTC).isoformat(timespec="milliseconds")
    # Our own OutputUri, https://<host>/<bucket>/<key>.
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
