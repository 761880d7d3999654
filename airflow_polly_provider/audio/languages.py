"""Converts language codes such as ``en-US`` into the codes of ISO 639-2 that ID3 tags contain."""

from __future__ import annotations

_CODES = {
    # The languages of Polly's voices, and the other official languages of the European Union.
    "ar": "ara",
    "arb": "ara",
    "bg": "bul",
    "ca": "cat",
    "cmn": "zho",
    "cs": "ces",
    "cy": "cym",
    "da": "dan",
    "de": "deu",
    "el": "ell",
    "en": "eng",
    "es": "spa",
    "et": "est",
    "fi": "fin",
    "fr": "fra",
    "ga": "gle",
    "hi": "hin",
    "hr": "hrv",
    "hu": "hun",
    "is": "isl",
    "it": "ita",
    "ja": "jpn",
    "ko": "kor",
    "lt": "lit",
    "lv": "lav",
    "mt": "mlt",
    "nb": "nob",
    "nl": "nld",
    "no": "nor",
    "pl": "pol",
    "pt": "por",
    "ro": "ron",
    "ru": "rus",
    "sk": "slk",
    "sl": "slv",
    "sv": "swe",
    "tr": "tur",
    "yue": "zho",
    "zh": "zho",
}
"""The keys are codes of ISO 639-1 or 639-3, the values terminological codes of ISO 639-2.

ISO 639-2 has no code for Cantonese and Mandarin: both are Chinese (zho).
"""


def iso_639_2(language_code: str) -> str | None:
    """Return the three-letter code of a language; None if it is not known.

    :param language_code: for example Polly's LanguageCode ``en-GB-WLS``
    """
    return _CODES.get(language_code.split("-", 1)[0].lower())
