"""Polly's operations on voices, lexicons and tags."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.base.voices import describe, languages_of
from airflow_polly_provider.emulator.http.messages import Response
from airflow_polly_provider.emulator.text.lexicons import LexiconShelf, check_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_polly_provider.emulator.base.clock import Clock
    from airflow_polly_provider.emulator.base.service_model import ApiModel


class Catalogue:
    """The voices, and the lexicons and tags of each region.

    :param model: the service model, which lists Polly's voices and languages.
    :param clock: the source of timestamps.
    """

    def __init__(self, model: ApiModel, clock: Clock) -> None:
        self._voices = model.enum("VoiceId")
        self._languages = model.enum("LanguageCode")
        self._clock = clock
        self.on_change: Callable[[str, LexiconShelf], None] | None = None
        self._shelves: dict[str, LexiconShelf] = {}
        self.operations: dict[str, Callable[[str, dict[str, Any]], Response]] = {
            "DescribeVoices": self._describe_voices,
            "PutLexicon": self._put_lexicon,
            "GetLexicon": self._get_lexicon,
            "ListLexicons": self._list_lexicons,
            "DeleteLexicon": self._delete_lexicon,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }

    def shelf(self, region: str) -> LexiconShelf:
        """Return the lexicons of a region.

        :param region: an AWS region, such as ``us-east-1``.
        """
        if region not in self._shelves:
            self._shelves[region] = LexiconShelf(region, self._languages, self._clock)
        return self._shelves[region]

    def reset(self) -> None:
        """Delete all lexicons."""
        self._shelves.clear()

    @contextmanager
    def _change(self, region: str) -> Iterator[LexiconShelf]:
        """Yield a region's lexicons for changes. Undo the changes if the block or storing them fails."""
        shelf = self.shelf(region)
        before = {name: replace(lexicon, tags=dict(lexicon.tags)) for name, lexicon in shelf.lexicons.items()}
        try:
            yield shelf
            if self.on_change is not None:
                self.on_change(region, shelf)
        except ApiError:
            shelf.lexicons = before
            raise

    def _describe_voices(self, _: str, parameters: dict[str, Any]) -> Response:
        _validate_no_token(parameters)
        voices = []
        language, engine = parameters.get("LanguageCode"), parameters.get("Engine")
        for voice in map(describe, self._voices):
            spoken = languages_of(voice)
            if not parameters.get("IncludeAdditionalLanguageCodes"):
                spoken = spoken[:1]
            if (not language or language in spoken) and (not engine or engine in voice["SupportedEngines"]):
                voices.append(voice)
        return _answer({"Voices": voices})

    def _put_lexicon(self, region: str, parameters: dict[str, Any]) -> Response:
        with self._change(region) as shelf:
            shelf.put(parameters["Name"], parameters["Content"], parameters.get("Tags"))
        return _answer({})

    def _get_lexicon(self, region: str, parameters: dict[str, Any]) -> Response:
        lexicon = self.shelf(region).find(parameters["Name"])
        return _answer(
            {
                "Lexicon": {"Content": lexicon.content, "Name": lexicon.name},
                "LexiconAttributes": lexicon.attributes(region),
            }
        )

    def _list_lexicons(self, region: str, parameters: dict[str, Any]) -> Response:
        _validate_no_token(parameters)
        lexicons = sorted(self.shelf(region).lexicons.values(), key=lambda lexicon: lexicon.name)
        return _answer(
            {
                "Lexicons": [
                    {"Name": lexicon.name, "Attributes": lexicon.attributes(region)} for lexicon in lexicons
                ]
            }
        )

    def _delete_lexicon(self, region: str, parameters: dict[str, Any]) -> Response:
        with self._change(region) as shelf:
            shelf.find(parameters["Name"])
            del shelf.lexicons[parameters["Name"]]
        return _answer({})

    def _tag(self, region: str, parameters: dict[str, Any]) -> Response:
        with self._change(region) as shelf:
            lexicon = shelf.tagged(parameters["ResourceArn"])
            lexicon.tags = check_tags(lexicon.tags | parameters["Tags"])
        return _answer({})

    def _untag(self, region: str, parameters: dict[str, Any]) -> Response:
        with self._change(region) as shelf:
            lexicon = shelf.tagged(parameters["ResourceArn"])
            check_tags(dict.fromkeys(parameters["TagKeys"], ""))
            for key in parameters["TagKeys"]:
                lexicon.tags.pop(key, None)
        return _answer({})

    def _list_tags(self, region: str, parameters: dict[str, Any]) -> Response:
        return _answer({"Tags": self.shelf(region).tagged(parameters["ResourceArn"]).tags})


def _validate_no_token(parameters: dict[str, Any]) -> None:
    # The response always fits on one page, so the emulator never issues a token.
    if parameters.get("NextToken"):
        raise ApiError("InvalidNextTokenException", "The NextToken is invalid")


def _answer(document: dict[str, Any]) -> Response:
    return Response(200, json.dumps(document).encode())
