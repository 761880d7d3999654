"""Random texts in many scripts with their speech marks."""

from __future__ import annotations

import json
import random
from typing import NamedTuple
from xml.sax.saxutils import escape

# ruff: noqa: RUF001  # many scripts
FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
HAND = "\N{WAVING HAND SIGN}\U0001f3fd"
FLAGS = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7"

SCRIPTS: dict[str, list[str]] = {
    "Latin": [
        "a",
        "The",
        "house",
        "Straße",
        "élan",
        "it's",
        "e\u0301te\u0301",
        "extraordinary",
        "R&D",
        "x<y",
    ],
    "Cyrillic": ["Я", "дом", "Москва", "город", "й\u0301", "восьмидесятилетний"],
    "Greek": ["ο", "σπίτι", "Ἀθῆναι", "καλημέρα", "ευχαριστώ"],
    "Arabic": ["في", "الكتاب", "مُحَمَّد", "السلام", "Amazon"],
    "Hebrew": ["של", "בית", "שָׁלוֹם", "ירושלים", "Polly"],
    "Devanagari": ["है", "क्षत्रिय", "नमस्ते", "हिन्दी", "में"],
    "Tamil": ["நான்", "வணக்கம்", "தமிழ்", "மொழி"],
    "Korean": ["나는", "집에", "갔다", "한국어", "안녕하세요", "\u1112\u1161\u11ab\u1100\u116e\u11a8"],
    "Thai": ["ฉัน", "กิน", "ข้าว", "น้ำ", "ประเทศไทย", "เป็น"],
    "Chinese": ["我", "今天", "去", "北京", "图书馆", "看书"],
    "Japanese": ["私は", "今日", "コーヒー", "を", "飲んだ", "ガ\u3099", "東京"],
    "emoji": ["ok", FAMILY, HAND, FLAGS, "❤\ufe0f", "1\ufe0f\u20e3", "party"],
}
WITHOUT_SPACES = {"Thai", "Chinese", "Japanese"}
COMMAS = {"Arabic": "، ", "Chinese": "，", "Japanese": "、", "Thai": " "}
STOPS = {"Arabic": "؟", "Devanagari": "।", "Chinese": "。", "Japanese": "。", "Thai": ""}
WHITE_SPACE = [" ", " ", " ", " ", "  ", "\n", " \r\n\t", "\u00a0", "\u2028", " \n\n "]
TAGS = [
    ("<emphasis>", "</emphasis>"),
    ('<prosody rate="90%">', "</prosody>"),
    ('<mark name="x>y"/>', ""),
    ("", '<break time="200ms"/>'),
    ("<s>", "</s>"),
    ("<!-- a comment -->", ""),
]


class MarkedSentence(NamedTuple):
    """What a test expects of a sentence.

    :param words: the readable words that have a mark, in order
    :param text: all readable characters except white space, in order
    :param places: the start of each of the words in this text
    :param times: the times of the words
    :param time_ms: the time of the sentence
    """

    words: list[str]
    text: str
    places: list[int]
    times: list[int]
    time_ms: int


class MarkedText(NamedTuple):
    """Speech marks, and what a test expects.

    :param is_complete: whether each word has a mark
    """

    marks: bytes
    sentences: list[MarkedSentence]
    is_ssml: bool
    is_complete: bool


def marked_text(seed: int) -> MarkedText:
    """Return a random text.

    :param seed: the seed of the random generator
    """
    return _Maker(random.Random(seed)).make()


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.is_ssml = chance.random() < 0.5
        self.source = bytearray(b"<speak>" if self.is_ssml else b"")
        self.time_ms = chance.choice([0, 0, 3_599_000, 36_000_000])
        self.rate = chance.choice([20, 60, 60, 60, 250])
        self.pause_chance = chance.choice([0.0, 0.02, 0.2])
        self.lines: list[bytes] = []
        self.unmarked_chance = chance.choice([0.0, 0.0, 0.1, 1.0])
        self.noise = chance.random() < 0.3

    def make(self) -> MarkedText:
        sentences = [self._sentence() for _ in range(self.chance.randint(1, 6))]
        return MarkedText(b"".join(self.lines), sentences, self.is_ssml, not self.unmarked_chance)

    def _sentence(self) -> MarkedSentence:
        script = self.chance.choice(list(SCRIPTS))
        start, time_ms = len(self.source), self.time_ms
        words: list[tuple[str, int, int, int]] = []
        text = ""
        count = self.chance.choice([1, 2, 3, 8, 20, 60])
        for number in range(count):
            word = self.chance.choice(SCRIPTS[script])
            if self.chance.random() < 0.02:
                word *= 15
            words.append((word, len(text), *self._add_word(word)))
            text += word
            if number < count - 1:
                text += self._gap(script)
        stop = STOPS.get(script, self.chance.choice([".", "!", "?", " ?", ".”"]))
        self.source += stop.encode()
        text += "".join(stop.split())
        kept = [word for word in words if self.chance.random() >= self.unmarked_chance]
        self._mark(time_ms, "sentence", start, len(self.source))
        self.time_ms += self.chance.choice([0, 6])
        times = [self._word_mark(word, start, end) for word, _, start, end in kept]
        self.time_ms += self.chance.choice([120, 300, 1500])
        self.source += self.chance.choice(WHITE_SPACE).encode()
        return MarkedSentence([each[0] for each in kept], text, [each[1] for each in kept], times, time_ms)

    def _add_word(self, word: str) -> tuple[int, int]:
        """Append a word to the source, and return its place."""
        if not self.is_ssml:
            start = len(self.source)
            self.source += word.encode()
            return start, len(self.source)
        before, after = self.chance.choice(TAGS) if self.chance.random() < 0.2 else ("", "")
        self.source += before.encode()
        start = len(self.source)
        written = escape(word)
        if self.chance.random() < 0.1:
            written = f"<![CDATA[{word}]]>" if self.chance.random() < 0.5 else numeric(word)
        self.source += written.encode()
        end = len(self.source)
        self.source += after.encode()
        return start, end

    def _gap(self, script: str) -> str:
        """Append what is between two words, and return what of it is not white space."""
        if self.chance.random() < 0.12:
            comma = COMMAS.get(script, self.chance.choice([", ", "; ", " – ", "… ", "—", " « "]))
            self.source += comma.encode()
            return comma.strip()
        if script not in WITHOUT_SPACES:
            self.source += self.chance.choice(WHITE_SPACE).encode()
        return ""

    def _word_mark(self, word: str, start: int, end: int) -> int:
        time_ms = self.time_ms
        if self.noise:
            self.lines.append(b'{"time":%d,"type":"viseme","value":"p"}\n' % time_ms)
        self._mark(time_ms, "word", start, end)
        if self.noise and self.chance.random() < 0.1:
            # Several spoken words for one place.
            self._mark(time_ms + 1, "word", start, end)
        self.time_ms += max(20, round(len(word) * self.rate * self.chance.uniform(0.5, 1.5)))
        if self.chance.random() < self.pause_chance:
            self.time_ms += self.chance.choice([300, 1000, 6000, 9000])
        return time_ms

    def _mark(self, time_ms: int, kind: str, start: int, end: int) -> None:
        value = self.source[start:end].decode()
        mark = {"time": time_ms, "type": kind, "start": start, "end": end, "value": value}
        line = json.dumps(mark, ensure_ascii=self.chance.random() < 0.1, separators=(",", ":"))
        self.lines.append(line.replace("/", "\\/").encode() + b"\n")


def numeric(word: str) -> str:
    """Return a word as entities."""
    return "".join(f"&#{ord(character)};" for character in word)
