"""Pronunciations in IPA or X-SAMPA, written as espeak-ng takes them between double brackets."""

# ruff: noqa: RUF001 - letters of the IPA look like other letters

from __future__ import annotations

# espeak-ng's ASCII phoneme names, from its documentation of the Kirshenbaum-like notation.
_IPA = {
    "tʃ": "tS",
    "dʒ": "dZ",
    "aɪ": "aI",
    "eɪ": "eI",
    "ɔɪ": "OI",
    "aʊ": "aU",
    "oʊ": "oU",
    "əʊ": "@U",
    "iː": "i:",
    "uː": "u:",
    "ɑː": "A:",
    "ɔː": "O:",
    "ɜː": "3:",
    "ɝ": "3:",
    "ɚ": "3",
    "ˈ": "'",
    "ˌ": ",",
    "ʃ": "S",
    "ʒ": "Z",
    "θ": "T",
    "ð": "D",
    "ŋ": "N",
    "ɹ": "r",
    "ɡ": "g",
    "ɾ": "t#",
    "ɫ": "l",
    "ʔ": "?",
    "ɪ": "I",
    "ʊ": "U",
    "ɛ": "E",
    "æ": "a",
    "ʌ": "V",
    "ə": "@",
    "ɒ": "0",
    "ɑ": "A:",
    "ɔ": "O:",
    "i": "i:",
    "u": "u:",
    "ɜ": "3:",
    "x": "x",
    "ç": "C",
    "y": "y",
    "ø": "Y",
}
_X_SAMPA = {
    '"': "'",
    "%": ",",
    "r\\": "r",
    "{": "a",
    "Q": "0",
    "3`": "3:",
    "@`": "3",
    "i": "i:",
    "u": "u:",
    "A": "A:",
    "O": "O:",
    "3": "3:",
}
# Other alphabets write syllables that a voice of their language reads: kana, pinyin, jyutping.
_OF_SOUNDS = ("ipa", "x-sampa")
_SILENT = {".", " ", "ː", ":", "-", "‿"}


def spoken_form(pronunciation: str, alphabet: str) -> str:
    """Write a pronunciation as the synthesizer takes it: sounds in double brackets, or words to read.

    :param pronunciation: in the alphabet.
    :param alphabet: one of Polly's; any but ``ipa`` and ``x-sampa`` is read as words.
    """
    if alphabet in _OF_SOUNDS:
        return espeak_phonemes(pronunciation, alphabet)
    # The sign of Pronunciation Kana for the fall of the pitch.
    return pronunciation.replace("'", "").replace("[[", "[ ")


def espeak_phonemes(pronunciation: str, alphabet: str) -> str:
    """Write a pronunciation in espeak's own letters.

    :param pronunciation: in the alphabet; an unknown sign is kept if it is a plain letter.
    :param alphabet: ``ipa`` or ``x-sampa``.
    :return: with its double brackets.
    """
    table = _X_SAMPA if alphabet == "x-sampa" else _IPA
    written: list[str] = []
    at = 0
    while at < len(pronunciation):
        for width in (2, 1):
            piece = pronunciation[at : at + width]
            if piece in table:
                written.append(table[piece])
                break
        else:
            width = 1
            if piece not in _SILENT and piece.isascii() and piece.isalnum():
                written.append(piece)
        at += width
    return f"[[{''.join(written)}]]"
