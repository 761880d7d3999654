"""The requests for the pieces of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_polly_provider.assembly.planning import SSML
from airflow_polly_provider.batch.item_keys import REQUEST_KEYS
from airflow_polly_provider.batch.items import MAX_ITEMS, read_items
from airflow_polly_provider.exceptions import PollyInvalidRequestError
from airflow_polly_provider.request.rules import SPEECH_MARKS_FORMAT
from airflow_polly_provider.request.validation import build_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_polly_provider.assembly.manifest import DocumentManifest
    from airflow_polly_provider.assembly.planning import Passage
    from airflow_polly_provider.batch.items import BatchItem
    from airflow_polly_provider.compat import BaseOperator, Context

_ANY_TEXT = {SSML: "<speak>a</speak>"}
_MARKS: dict[str, Any] = {"OutputFormat": SPEECH_MARKS_FORMAT, "SpeechMarkTypes": ["sentence", "word"]}


class PieceRequests:
    """Makes the requests for the pieces of a document.

    :param settings: the operator's rendered values, by the names of the start operator's parameters, with the
        bucket and the prefix of the pieces
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._made: dict[tuple[str | None, str, bool], dict[str, Any]] = {}

    def of(self, passage: Passage) -> dict[str, Any]:
        """Return the checked request for the pieces of a passage, without the text.

        :param passage: the passage
        :raises PollyInvalidRequestError: Polly would reject the request
        """
        return self._request(passage, {})

    def marks_of(self, passage: Passage) -> dict[str, Any]:
        """Return the checked request for the speech marks of a passage, without the text.

        :param passage: the passage
        :raises PollyInvalidRequestError: Polly would reject the request
        """
        return self._request(passage, _MARKS)

    def _request(self, passage: Passage, changes: dict[str, Any]) -> dict[str, Any]:
        kind = (passage.voice_id, passage.text_type, bool(changes))
        if kind not in self._made:
            values = {member: self._settings.get(name) for member, name in REQUEST_KEYS.items()} | changes
            if passage.voice_id is not None:
                values["VoiceId"] = passage.voice_id
            request = build_request(
                Text=_ANY_TEXT.get(passage.text_type, "a"),
                TextType=SSML if passage.text_type == SSML else None,
                **values,
            )
            del request["Text"]
            self._made[kind] = request
        return self._made[kind]

    def items(
        self,
        operator: BaseOperator,
        context: Context,
        manifest: DocumentManifest,
        requests: Mapping[str, Mapping[str, Any]],
        *,
        durable: bool,
    ) -> list[BatchItem]:
        """Return the items of the batch that synthesizes the new pieces.

        :param operator: the operator
        :param context: the running task's context
        :param manifest: the planned document
        :param requests: the request for each piece, by the piece's id
        :param durable: whether the output keys of the pieces contain tokens
        :raises PollyInvalidRequestError: Polly would reject a piece
        """
        ids = [piece.id for piece in manifest.to_synthesize()]
        ids += [piece.marks.id for piece in manifest.marks_to_synthesize() if piece.marks is not None]
        given = [_item(each, requests[each]) for each in ids]
        if not given:
            return []
        if len(given) > MAX_ITEMS:
            raise PollyInvalidRequestError(
                f"The document needs {len(given):,} synthesis tasks, but one Airflow task starts at most "
                f"{MAX_ITEMS:,}. Raise max_piece_characters, or split the document."
            )
        return read_items(
            operator,
            given,
            context,
            defaults=self._settings,
            durable=durable,
            text_may_name_file=False,
            hook_parameters={},
        )


def _item(item_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    item = {"id": item_id, "text": request["Text"], "text_type": request.get("TextType")}
    item |= {"voice_id": request["VoiceId"], "output_format": request["OutputFormat"]}
    return item | {"speech_mark_types": request.get("SpeechMarkTypes")}
