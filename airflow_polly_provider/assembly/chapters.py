"""The times of a document's chapters, and the forms in which players read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_polly_provider.audio.chapters import Chapter, chapters_json, milliseconds_of, one_line
from airflow_polly_provider.audio.id3_chapters import id3_tag
from airflow_polly_provider.audio.wav import WAV, WavForm
from airflow_polly_provider.exceptions import PollyInvalidRequestError

if TYPE_CHECKING:
    from airflow_polly_provider.assembly.manifest import ChapterRecord, DocumentManifest

_DEEPEST_LEVEL = 32
"""``audio.chapters`` accepts no deeper level. The navigation of an EPUB file can be deeper."""


class ChapterTime(NamedTuple):
    """A chapter and its place in the joined file.

    :param chapter: the chapter
    :param start: the number of samples before it
    :param end: the number of samples before the next chapter
    :param characters: the number of billed characters of the chapter
    """

    chapter: ChapterRecord
    start: int
    end: int
    characters: int


def chapter_times(manifest: DocumentManifest) -> list[ChapterTime]:
    """Return the chapters with their times.

    :param manifest: the manifest of a joined file
    """
    found, end = [], 0
    for chapter, pieces in manifest.chapter_pieces():
        start, end = end, end + sum(piece.total_samples for piece in pieces)
        found.append(ChapterTime(chapter, start, end, sum(piece.characters for piece in pieces)))
    return found


def duration_seconds(manifest: DocumentManifest) -> float:
    """Return the duration of a joined file in seconds.

    :param manifest: its manifest
    """
    samples = sum(piece.total_samples for piece in manifest.pieces)
    return samples / (manifest.sample_rate or 1)


def file_header(manifest: DocumentManifest, size: int) -> bytes:
    """Return the header of a joined file: an ID3 tag, a WAV header, or nothing.

    :param manifest: the manifest of the file, with the places of all pieces
    :param size: the size of the audio after the header in bytes
    :raises PollyInvalidRequestError: the header cannot describe the file
    """
    if manifest.container == WAV:
        rate = manifest.sample_rate or 0
        try:
            return WavForm(output_format=manifest.output_format, sample_rate=rate).header(size)
        except ValueError as error:
            raise PollyInvalidRequestError(
                f"All pieces are synthesized, but {error}, or remove output_container and clear the task: "
                "then the samples are joined without a header, and nothing is paid again."
            ) from error
    if manifest.output_format != "mp3":
        return b""
    return id3_tag(
        _audio_chapters(manifest),
        title=manifest.title,
        artist=manifest.author,
        language_code=manifest.language,
    )


def podcast_chapters(manifest: DocumentManifest) -> bytes:
    """Return the chapters as podcast chapters JSON.

    :param manifest: the manifest of a joined file
    """
    return chapters_json(_audio_chapters(manifest), title=manifest.title, author=manifest.author)


def _audio_chapters(manifest: DocumentManifest) -> list[Chapter]:
    rate = manifest.sample_rate or 1
    return [
        Chapter(
            # A title can consist of characters that players do not show.
            title=one_line(each.chapter.title or "") or _default_title(manifest, number),
            start_ms=milliseconds_of(each.start, rate),
            end_ms=milliseconds_of(each.end, rate),
            level=min(each.chapter.level, _DEEPEST_LEVEL),
        )
        for number, each in enumerate(chapter_times(manifest), start=1)
    ]


def _default_title(manifest: DocumentManifest, number: int) -> str:
    """Return the title of a chapter that has none: the document's title if there is only one chapter."""
    is_only = len(manifest.chapters) == 1
    return (one_line(manifest.title or "") if is_only else "") or f"Chapter {number}"
