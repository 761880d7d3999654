# ruff: noqa: RUF001 - letters of the IPA look like other letters

from __future__ import annotations

from airflow_polly_provider.emulator.text.pronunciation import Lexeme, Pronouncer
from airflow_polly_provider.emulator.text.spoken import SpokenText


def test_a_lexicon_pronunciation_is_translated_to_the_synthesizers_alphabet() -> None:
    spoken = SpokenText()
    Pronouncer([Lexeme("pecan", phonemes="pɪˈkɑːn")]).write(spoken, "a pecan [[x]]", 0)
    assert str(spoken) == "a [[pI'kA:n]] [ x]]"


def test_a_lexicon_pronunciation_in_syllables_is_spoken_as_text() -> None:
    spoken = SpokenText()
    Pronouncer([Lexeme("浩一", phonemes="ヒロカ'ズ", alphabet="x-amazon-pron-kana")]).write(spoken, "浩一", 0)
    assert str(spoken) == "ヒロカズ"
