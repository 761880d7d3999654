"""Reads the items of a batch, and checks all of them before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.batch.item_files import (
    UnreadableItem,
    is_path,
    items_in_text,
    read_item_file,
)
from airflow_polly_provider.batch.item_keys import (
    BOOLEAN_KEYS,
    ITEM_KEYS,
    REQUEST_KEYS,
    unknown_key_problem,
)
from airflow_polly_provider.batch.item_report import ItemProblems, ItemWarnings
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.output.custom_key import validate_custom_key_settings
from airflow_polly_provider.output.provenance import validate_output_key
from airflow_polly_provider.request.billing import (
    billed_by_count,
    validate_billed_characters,
    validate_max_request_characters,
)
from airflow_polly_provider.request.container import validate_output_container, wav_form
from airflow_polly_provider.request.native import digits_of
from airflow_polly_provider.request.rules import SYNTHESIS_TASK_RULES
from airflow_polly_provider.request.template_file import spoken_text
from airflow_polly_provider.request.validation import build_request
from airflow_polly_provider.start.token import TOKEN_CHARACTERS, prefix_with_token, request_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_polly_provider.audio.wav import WavForm
    from airflow_polly_provider.compat import BaseOperator, Context

MAX_ITEMS = 100_000
"""Maximum number of items in one batch."""

MAX_ID_CHARACTERS = 200
"""Maximum length of an item's id."""

_RULES = replace(SYNTHESIS_TASK_RULES, when_too_long="Split the text into several items.")
_PLACEHOLDER_TOKEN = "a" * TOKEN_CHARACTERS
# An id is a part of log lines and of error messages with one line for each item.
_NOT_IN_AN_ID = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A checked item of a batch.

    :param id: the given id, or the position of the item, counted from 0
    :param digest: the :func:`~airflow_polly_provider.start.token.request_digest` of the request
    :param request: the request of StartSpeechSynthesisTask, with ``Text``, and without a token in its prefix
    :param characters: number of characters that Polly will bill, counted before the start
    :param wav: the format of the WAV file; None if there is no container
    :param output_s3_key: the key for the finished object; None for the key that Polly generates
    :param keep_original: whether to keep Polly's original object after the copy to ``output_s3_key``
    :param skip_if_unchanged: whether to skip the synthesis if the object at ``output_s3_key`` is up to date
    """

    id: str
    digest: str
    request: dict[str, Any]
    characters: int
    wav: WavForm | None
    output_s3_key: str | None
    keep_original: bool
    skip_if_unchanged: bool


def read_items(
    operator: BaseOperator,
    items: Any,
    context: Context,
    *,
    defaults: Mapping[str, Any],
    durable: bool,
    text_may_name_file: bool,
    hook_parameters: Mapping[str, Any],
) -> list[BatchItem]:
    """Return the items of a batch, in the given order, after checking all of them.

    :param operator: the operator, whose DAG defines the folders of template files
    :param items: the rendered value of the operator's ``items``: a sequence of mappings; a string with a JSON
        list or a rendered Python list; or the path of a ``.json``, ``.jsonl``, ``.ndjson`` or ``.csv`` file
    :param context: the running task's context
    :param defaults: the operator's rendered values, by the names of the start operator's parameters. They
        apply to each item that does not have the key, or has None
    :param durable: whether a token is added to the prefix of each item
    :param text_may_name_file: whether the text of an item may be the name of a template file
    :param hook_parameters: the operator's AWS connection settings
    :raises PollyInvalidRequestError: there are no items or more than :data:`MAX_ITEMS`, the file cannot be
        read, or items are invalid. One error lists the problems of all items, without their texts
    :raises PollyConfigurationError: access to the file is denied
    """
    found = list(islice(_given_items(items, hook_parameters), MAX_ITEMS + 1))
    if not found:
        raise PollyInvalidRequestError(
            "items is empty, so there is nothing to synthesize. If this is expected, skip the task in this "
            "case, for example with @task.short_circuit."
        )
    if len(found) > MAX_ITEMS:
        raise PollyInvalidRequestError(
            f"items has more than {MAX_ITEMS:,} items, the maximum of one batch. Divide them into several "
            "batches, and map the operator over these with .expand(items=…)."
        )
    checks = _ItemChecks(operator, context, defaults, durable=durable, text_may_name_file=text_may_name_file)
    checked = [checks.checked(position, item) for position, item in enumerate(found)]
    checks.warnings.log_all()
    checks.problems.raise_if_any(len(found))
    return [item for item in checked if item is not None]


def _given_items(items: Any, hook_parameters: Mapping[str, Any]) -> Iterable[object]:
    if is_path(items):
        return read_item_file(items, hook_parameters)
    if isinstance(items, str):
        return items_in_text(items)
    if items is None:
        raise PollyInvalidRequestError(
            "items is None. The upstream task returned no value: it failed, returned None, or has "
            "do_xcom_push=False."
        )
    if isinstance(items, bytes | bytearray) or not isinstance(items, Sequence):
        raise PollyInvalidRequestError(
            f"items must be a list of mappings, or the path of a JSON, JSON Lines or CSV file, not "
            f"{type(items).__name__}."
        )
    # One request to Airflow: an iteration over the XComs of a mapped task sends a request for each of them.
    part: Sequence[object] = items[: MAX_ITEMS + 1]
    return part


class _ItemChecks:
    """Checks the items of one batch one after the other.

    :param defaults: as for :func:`read_items`, and so are the other parameters
    """

    def __init__(
        self,
        operator: BaseOperator,
        context: Context,
        defaults: Mapping[str, Any],
        *,
        durable: bool,
        text_may_name_file: bool,
    ) -> None:
        self._operator = operator
        self._context = context
        self._defaults = defaults
        self._durable = durable
        self._text_may_name_file = text_may_name_file
        self._positions: dict[str, int] = {}
        self._ids_by_output: dict[tuple[Any, str], str] = {}
        self.problems = ItemProblems()
        self.warnings = ItemWarnings()

    def checked(self, position: int, item: object) -> BatchItem | None:
        """Return an item after checking it; None if it is invalid."""
        if not isinstance(item, Mapping):
            problem = item.problem if isinstance(item, UnreadableItem) else _not_a_mapping(item)
            self.problems.add(str(position), [problem])
            return None
        problems = [unknown_key_problem(name) for name in item if name not in ITEM_KEYS]
        item_id = self._id(position, item.get("id"), problems)
        self.warnings.item_id = item_id
        merged = {**self._defaults, **{name: value for name, value in item.items() if value is not None}}
        made = self._made(item_id, merged, problems)
        if problems:
            self.problems.add(item_id, problems)
            return None
        return made

    def _id(self, position: int, given: object, problems: list[str]) -> str:
        """Return the item's id, or its position if the id is invalid or not given."""
        try:
            item_id = str(position) if given is None else _validated_id(given)
        except PollyInvalidRequestError as error:
            problems.append(str(error))
            return str(position)
        if (other := self._positions.setdefault(item_id, position)) != position:
            problems.append(
                f"The item at position {other} has the same id. Each id must be unique (positions are "
                "counted from 0, and are the default ids)."
            )
        return item_id

    def _made(self, item_id: str, merged: Mapping[str, Any], problems: list[str]) -> BatchItem | None:
        problems.extend(_setting_problems(merged))
        request = self._request(merged, problems)
        key = self._output_key(item_id, merged, request, problems)
        if request is None or problems:
            return None
        container = merged.get("output_container")
        try:
            wav = wav_form(container, request)
            validate_billed_characters(merged.get("max_request_characters"), request)
        except PollyInvalidRequestError as error:
            problems.append(str(error))
            return None
        return BatchItem(
            id=item_id,
            digest=request_digest(request, container),
            request=request,
            characters=billed_by_count(request),
            wav=wav,
            output_s3_key=key,
            keep_original=bool(merged.get("keep_original")),
            skip_if_unchanged=bool(merged.get("skip_if_unchanged")),
        )

    def _request(self, merged: Mapping[str, Any], problems: list[str]) -> dict[str, Any] | None:
        if merged.get("text") is None:
            problems.append("text is missing: it is not given, or None.")
            return None
        try:
            text, text_type = spoken_text(
                self._operator,
                merged["text"],
                merged.get("text_type"),
                self._context,
                may_name_file=self._text_may_name_file,
            )
            members = {member: merged.get(name) for member, name in REQUEST_KEYS.items()}
            return build_request(_RULES, self.warnings.warn, Text=text, TextType=text_type, **members)
        except PollyInvalidRequestError as error:
            problems.append(str(error))
            return None

    def _output_key(
        self,
        item_id: str,
        merged: Mapping[str, Any],
        request: Mapping[str, Any] | None,
        problems: list[str],
    ) -> str | None:
        """Return the checked ``output_s3_key``. Also check the prefix as it is sent to Polly."""
        prefix = None if request is None else request.get("OutputS3KeyPrefix")
        given = merged.get("output_s3_key")
        try:
            if self._durable:
                prefix = prefix_with_token(prefix, _PLACEHOLDER_TOKEN)
            if given is None:
                return None
            key = validate_output_key(given, prefix)
        except PollyInvalidRequestError as error:
            problems.append(str(error))
            return None
        bucket = str(merged.get("output_s3_bucket_name"))
        if (other := self._ids_by_output.setdefault((bucket, key), item_id)) != item_id:
            problems.append(
                f"Item {other} has the same output_s3_key {key!r:.100} in the same bucket. Each item needs a "
                "key of its own."
            )
        return key


def _not_a_mapping(item: object) -> str:
    return f"An item must be a mapping such as {{'text': 'Hello'}}, not {type(item).__name__}."


def _validated_id(given: object) -> str:
    value = digits_of(given)
    if not isinstance(value, str):
        raise PollyInvalidRequestError(f"id must be a string or an integer, not {type(value).__name__}.")
    if not value.strip():
        raise PollyInvalidRequestError("id is empty. Give an id, or None for the position of the item.")
    if len(value) > MAX_ID_CHARACTERS:
        raise PollyInvalidRequestError(
            f"id has {len(value):,} characters. Shorten it to at most {MAX_ID_CHARACTERS}."
        )
    if found := _NOT_IN_AN_ID.search(value):
        raise PollyInvalidRequestError(
            f"id contains the character U+{ord(found[0]):04X}, which is a control character or half of a "
            "surrogate pair. Remove it."
        )
    return value


def _setting_problems(merged: Mapping[str, Any]) -> list[str]:
    """Return the problems of the keys that are not part of the request."""
    problems = [
        f"{name} must be true or false, not {merged[name]!r:.100}."
        for name in BOOLEAN_KEYS
        if not isinstance(merged.get(name), bool | None)
    ]
    if problems:
        return problems
    try:
        validate_max_request_characters(merged.get("max_request_characters"))
    except ValueError as error:
        problems.append(str(error))
    try:
        validate_custom_key_settings(
            merged.get("output_s3_key"),
            keep_original=bool(merged.get("keep_original")),
            output_container=validate_output_container(merged.get("output_container")),
            skip_if_unchanged=bool(merged.get("skip_if_unchanged")),
            wait_for_completion=True,
            end_from_trigger=False,
        )
    except ValueError as error:
        problems.append(str(error))
    return problems
