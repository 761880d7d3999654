"""The JSON form of a document's manifest. Members that this version does not know are ignored."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from airflow_polly_provider.assembly.manifest import (
    PHASES,
    CaptionsRecord,
    ChapterRecord,
    DocumentManifest,
    MarksRecord,
    PieceRecord,
)
from airflow_polly_provider.batch import json_members as members
from airflow_polly_provider.batch.manifest import BatchRunId
from airflow_polly_provider.captions.convert import CAPTION_FORMATS
from airflow_polly_provider.start.token import TOKEN_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMAT = "airflow_polly_provider/document-manifest"
VERSION = 1

T = TypeVar("T")


class _Member(NamedTuple):
    """A member of a JSON object.

    :param name: the member's name
    :param attribute: the attribute of the dataclass
    :param read: returns the attribute's value
    """

    name: str
    attribute: str
    read: Callable[[Any], Any]


def _defaults(kind: type[Any]) -> dict[str, Any]:
    return {each.name: each.default for each in fields(kind) if each.default is not MISSING}


def _read(given: Mapping[str, Any], described: tuple[_Member, ...], kind: type[Any]) -> dict[str, Any]:
    defaults = _defaults(kind)
    return {
        member.attribute: members.value_of(given, member.name, member.read)
        for member in described
        if member.name in given or member.attribute not in defaults
    }


def _nested(described: tuple[_Member, ...], kind: type[T]) -> Callable[[Any], T]:
    """Return a reader of objects."""
    return lambda value: kind(**_read(members.mapping(value), described, kind))


_DIGEST = members.matching("[0-9a-f]{64}")
_LAYOUT_ID = members.matching("[0-9a-f]{32}")
_TEXT = members.or_none(members.string)
_COUNT = members.or_none(members.count)


def _format_names(value: Any) -> tuple[str, ...]:
    return tuple(map(members.one_of(CAPTION_FORMATS), members.array(value)))


_CAPTIONS = (
    _Member("Formats", "formats", _format_names),
    _Member("MaxLines", "max_lines", members.count),
    _Member("MaxLineCharacters", "max_line_characters", _COUNT),
    _Member("MaxSeconds", "max_seconds", members.seconds),
    _Member("PauseSeconds", "pause_seconds", members.seconds),
)
_MARKS = (
    _Member("Id", "id", _DIGEST),
    _Member("TextSize", "text_size", members.count),
    _Member("IsSsml", "is_ssml", members.flag),
    _Member("PreviousOffset", "previous_offset", _COUNT),
    _Member("PreviousMs", "previous_ms", _COUNT),
    _Member("PreviousText", "previous_text", _COUNT),
    _Member("Offset", "offset", _COUNT),
    _Member("Size", "size", _COUNT),
)
_HEADER = (
    _Member("RunBegan", "began", members.string),
    _Member("RunToken", "run_token", members.matching(f"[a-z2-7]{{{TOKEN_CHARACTERS}}}")),
    _Member("LayoutId", "layout_id", _LAYOUT_ID),
    _Member("Phase", "phase", members.one_of(PHASES)),
    _Member("OutputS3Key", "key", members.text),
    _Member("OutputFormat", "output_format", members.text),
    _Member("OutputContainer", "container", _TEXT),
    _Member("Title", "title", _TEXT),
    _Member("Author", "author", _TEXT),
    _Member("Language", "language", _TEXT),
    _Member("PreviousETag", "previous_etag", _TEXT),
    _Member("PreviousLayoutId", "previous_layout_id", members.or_none(_LAYOUT_ID)),
    _Member("PreviousCaptions", "previous_captions", _format_names),
    _Member("Captions", "captions", members.or_none(_nested(_CAPTIONS, CaptionsRecord))),
    _Member("SampleRate", "sample_rate", _COUNT),
    _Member("AudioForm", "audio_form", _TEXT),
    _Member("HeaderSize", "header_size", members.count),
    _Member("OutputUri", "output_uri", _TEXT),
    _Member("ETag", "etag", _TEXT),
    _Member("Size", "size", _COUNT),
    _Member("SynthesizedPieces", "synthesized_pieces", members.count),
    _Member("RequestCharacters", "request_characters", members.count),
)
_CHAPTER = (
    _Member("Title", "title", _TEXT),
    _Member("Level", "level", members.count),
    _Member("PieceCount", "piece_count", members.count),
)
_PIECE = (
    _Member("Id", "id", _DIGEST),
    _Member("Head", "head", members.count),
    _Member("Length", "length", members.count),
    _Member("Characters", "characters", members.count),
    _Member("PauseSeconds", "pause_seconds", members.seconds),
    _Member("PreviousOffset", "previous_offset", _COUNT),
    _Member("Offset", "offset", _COUNT),
    _Member("Size", "size", _COUNT),
    _Member("Samples", "samples", _COUNT),
    _Member("PauseSize", "pause_size", members.count),
    _Member("PauseSamples", "pause_samples", members.count),
    _Member("Marks", "marks", members.or_none(_nested(_MARKS, MarksRecord))),
)
_NESTED: Mapping[type[Any], tuple[_Member, ...]] = {CaptionsRecord: _CAPTIONS, MarksRecord: _MARKS}


def _written(value: Any, described: tuple[_Member, ...]) -> dict[str, Any]:
    """Return the members of an object, without those that have their default."""
    defaults = _defaults(type(value))
    found = {member.name: (getattr(value, member.attribute), member.attribute) for member in described}
    return {
        name: _written(given, _NESTED[type(given)]) if type(given) in _NESTED else given
        for name, (given, attribute) in found.items()
        if attribute not in defaults or given != defaults[attribute]
    }


def manifest_content(manifest: DocumentManifest) -> bytes:
    """Return the JSON of a manifest, with one line for each piece.

    :param manifest: the manifest
    """
    header = {
        "Format": FORMAT,
        "Version": VERSION,
        "Run": manifest.run._asdict(),
        **_written(manifest, _HEADER),
        "Chapters": [_written(chapter, _CHAPTER) for chapter in manifest.chapters],
    }
    pieces = ",\n".join(_dumps(_written(piece, _PIECE)) for piece in manifest.pieces)
    return f'{_dumps(header)[:-1]},"Pieces":[\n{pieces}\n]}}\n'.encode()


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def read_manifest(content: bytes) -> DocumentManifest:
    """Return the manifest in some bytes.

    :param content: JSON
    :raises airflow_polly_provider.batch.json_members.MalformedError: the content is not a manifest of this
        package, or it is damaged
    """
    given = members.json_object(content)
    if given.get("Format") != FORMAT:
        raise members.MalformedError(
            f"it is not a document's manifest of this package (Format is {given.get('Format')!r:.100})"
        )
    if (version := members.value_of(given, "Version", members.count)) > VERSION:
        raise members.MalformedError(
            f"a later version of this package wrote it (Version is {version!r:.100})"
        )
    run = members.value_of(given, "Run", members.mapping)
    readers: dict[str, Callable[[Any], Any]] = dict.fromkeys(BatchRunId._fields, members.string)
    readers["map_index"] = members.integer
    manifest = DocumentManifest(
        run=BatchRunId(**{name: members.value_of(run, name, read) for name, read in readers.items()}),
        chapters=[
            _nested(_CHAPTER, ChapterRecord)(each)
            for each in members.value_of(given, "Chapters", members.array)
        ],
        pieces=[
            _nested(_PIECE, PieceRecord)(each) for each in members.value_of(given, "Pieces", members.array)
        ],
        **_read(given, _HEADER, DocumentManifest),
    )
    if sum(chapter.piece_count for chapter in manifest.chapters) != len(manifest.pieces):
        raise members.MalformedError("PieceCount of the chapters differs from the number of pieces")
    return manifest
