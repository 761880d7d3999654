from __future__ import annotations

import pytest

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.text.lexicons import parse_lexicon


def lexicon(phoneme: str) -> str:
    return (
        '<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" '
        f'xml:lang="en-US"><lexeme><grapheme>a</grapheme>{phoneme}</lexeme></lexicon>'
    )


def test_a_phonemes_own_alphabet_overrides_the_lexicons() -> None:
    (lexeme,) = parse_lexicon("a", lexicon('<phoneme alphabet="x-sampa">{</phoneme>'), ["en-US"]).lexemes
    assert (lexeme.phonemes, lexeme.alphabet) == ("{", "x-sampa")


def test_a_phoneme_in_an_unknown_alphabet_is_refused() -> None:
    with pytest.raises(ApiError, match="UnsupportedPlsAlphabetException"):
        parse_lexicon("a", lexicon('<phoneme alphabet="runes">a</phoneme>'), ["en-US"])


def test_size_is_in_characters_and_each_written_lexeme_counts() -> None:
    content = lexicon("<grapheme>ä</grapheme><alias>größer</alias>")
    parsed = parse_lexicon("any", content, ["en-US"])
    assert len(parsed.lexemes) == 2
    attributes = parsed.attributes("us-east-1")
    assert (attributes["Size"], attributes["LexemesCount"]) == (len(content), 1)
