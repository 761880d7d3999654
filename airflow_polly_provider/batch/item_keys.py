"""The keys of a batch's items, and the advice for an unknown key."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_KEYS: Mapping[str, str] = {
    "Engine": "engine",
    "LanguageCode": "language_code",
    "LexiconNames": "lexicon_names",
    "OutputFormat": "output_format",
    "OutputS3BucketName": "output_s3_bucket_name",
    "OutputS3KeyPrefix": "output_s3_key_prefix",
    "SampleRate": "sample_rate",
    "SnsTopicArn": "sns_topic_arn",
    "SpeechMarkTypes": "speech_mark_types",
    "VoiceId": "voice_id",
}
"""The keys that become members of the request unchanged, by AWS's name."""

LIST_KEYS = frozenset({"lexicon_names", "speech_mark_types"})

BOOLEAN_KEYS = ("keep_original", "skip_if_unchanged")

ITEM_KEYS = frozenset(
    {
        "id",
        "text",
        "text_type",
        "output_s3_key",
        "output_container",
        "max_request_characters",
        *BOOLEAN_KEYS,
        *REQUEST_KEYS.values(),
    }
)
"""All keys that an item can have."""

_BATCH_PARAMETERS = frozenset(
    {
        *("items", "durable", "check_voice", "dry_run", "text_may_name_file", "max_total_request_characters"),
        *("manifest_s3_key", "on_item_failure", "wait_for_completion", "deferrable", "poke_interval"),
        *("timeout", "aws_conn_id", "region_name", "verify", "botocore_config"),
    }
)

# Any other key may be a part of the text, for example if a comma is missing in a JSON file.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


def unknown_key_problem(key: object) -> str:
    """Return the description of an unknown key: what is wrong and what to do.

    :param key: a key that is not one of :data:`ITEM_KEYS`. It is quoted only if it has the form of a name
    """
    if not isinstance(key, str):
        return f"A key must be a string, not {type(key).__name__}."
    if not _NAME.fullmatch(key):
        return f"An unknown key has {len(key)} characters, and is not a name. Valid keys: {_all_keys()}."
    if key in _BATCH_PARAMETERS:
        return f"{key} applies to the whole batch: set it on the operator, and remove it from the item."
    if close := difflib.get_close_matches(key.lower(), ITEM_KEYS, n=1):
        return f"Unknown key {key!r}. Did you mean {close[0]!r}?"
    return f"Unknown key {key!r}. Valid keys: {_all_keys()}."


def _all_keys() -> str:
    return ", ".join(sorted(ITEM_KEYS))
