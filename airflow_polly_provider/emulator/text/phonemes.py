"""Conversion of pronunciations in IPA or X-SAMPA to espeak-ng's notation in double brackets."""

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
# In these alphabets, a symbol is a sound. In the others (kana, pinyin, jyutping), a symbol is a syllable. A
# voice of their language can read them as text.
_PHONETIC_ALPHABETS = ("ipa", "x-sampa")
_SILENT = {".", " ", "ː", ":", "-", "‿"}


def spoken_form(pronunciation: str, alphabet: str) -> str:
    """Return a pronunciation in the synthesizer's notation: phonemes in double brackets, or text to read.

    :param pronunciation: the pronunciation, written in the alphabet.
    :param alphabet: one of Polly's alphabets. Unless it is ``ipa`` or ``x-sampa``, the pronunciation is
        returned as text to read.
    """
    if alphabet in _PHONETIC_ALPHABETS:
        return espeak_phonemes(pronunciation, alphabet)
    # Pronunciation Kana marks a falling pitch with an apostrophe.
    return pronunciation.replace("'", "").replace("[[", "[ ")


def espeak_phonemes(pronunciation: str, alphabet: str) -> str:
    """Return a pronunciation in espeak's notation, with double brackets around it.

    :param pronunciation: the pronunciation, written in the alphabet. An unknown symbol is kept if it is an
        ASCII letter or digit, and removed otherwise.
    :param alphabet: ``ipa`` or ``x-sampa``.
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
