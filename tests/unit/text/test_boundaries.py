from __future__ import annotations

# ruff: noqa: RUF001  # the punctuation of many scripts
import pytest

from airflow_polly_provider.text.boundaries import (
    CutKind,
    characters,
    clauses,
    is_inside_grapheme,
    paragraphs,
    sentences,
    white_space,
)

# "|" marks each end of a sentence inside the text.
ENGLISH = [
    "It rained. |Then it stopped.",
    "Dr. Smith met Mr. and Mrs. Jones. |They talked.",
    "Is it? |It is! |Good.",
    '"Stop!" he said. |"Why?" asked Mary.',
    "“Stop.” |He stopped.",
    "He left (at last.) |She stayed.",
    "It costs 3.50 dollars. |That is cheap.",
    "The U.S. Government and J. R. R. Tolkien met at 5 p.m. on Monday.",
    "See fig. 3 and No. 5 of vol. 211. |“No.” |He left.",
    "Wait... |He came. |Wait... he came.",
    "Visit example.com. |It is new.",
    "Apples, pears, etc. are sold. |Buy some.",
    "In 1999. |Then came 2000.",
    "It was _he_. |_She_ knew.",
]
GERMAN = [
    "Am 3. Mai fuhr Dr. Müller nach Berlin. |Es regnete.",
    "Obst, z. B. Äpfel, bzw. Birnen usw. gibt es hier. |Komm!",
    "Er kam. |»Komm!«, rief er. |»Gut.« |Er ging.",
    "„Komm!“ |Er kam. |„Wirklich?“ fragte er.",
    "Ludwig XIV. König von Frankreich. |Er starb 1715. |Dann kam Ludwig XV. an.",
    "Das Haus (von ca. 1900) steht noch. |Österreich liegt südlich.",
]
FRENCH = [
    "M. Dupont et Mme. Durand sont là. |Ils parlent.",
    "« Bonjour. » |Il partit. |« Quoi ? » demanda-t-il.",
    "«\u00a0Bonjour\u00a0!\u00a0» |Il partit.",
    "Voir p. 12, p. ex. Paris en 44 av. J.-C. Fin.",
    "Vraiment ? |Oui ! |À bientôt.",
]
SPANISH = [
    "La Sra. García vive en EE. UU. desde 1990. |¿Por qué? |¡Porque sí!",
    "El Dr. Pérez llegó. |«Hola.» |Se fue. |Véase pág. 5 y núm. 3.",
    "Ud. tiene razón. |Él no.",
]
PORTUGUESE = [
    "O Sr. Silva e a Dra. Sousa chegaram. |É tarde.",
    "Veja a pág. 712. |Não há mais. |Vossa Exma. Senhora.",
]
ITALIAN = [
    "Il sig. Rossi e la dott. Bianchi arrivano. |È tardi.",
    "Pane, vino, ecc. sono qui. |Come sta. |Bene.",
]
HINDI = [
    "यह घर है। |वह स्कूल है॥ |क्या तुम आओगे? |हाँ।",
    "डॉ. शर्मा आए। |वे बैठे।",
]
ARABIC = [
    "هل أنت بخير؟ |نعم. |شكرا۔ |إلى اللقاء.",
    "قال د. أحمد كلمة. |ثم ذهب.",
]
JAPANESE = [
    "今日は晴れ。|明日は雨！|本当？|はい。",
    "「行くよ。」|彼は立った。|「行く。」と言った。",
    "そう。\n|次の行。",
    "すごい!|次へ。",
    "値段は3.5です。|安い。",
]
CHINESE = [
    "今天天气很好。|明天呢？|不知道！",
    "“你好。”|他走了。|（完。）|下一章……还没有。",
]
KOREAN = [
    "비가 왔다. |그는 집에 갔다. |정말? |네. |그래요.",
    "“가자.” |그가 일어났다.",
]
OTHER = [
    "No.\u00a0Break. \u200b|Zero width.",
    "Swiss no. 5.\u00a0Not here.",
]


def marked(text: str, found: list[int]) -> str:
    """Return a text with a mark at each of some positions."""
    return "".join(f"|{each}" if position in found else each for position, each in enumerate(text))


class TestSentences:
    @pytest.mark.parametrize(
        "expected",
        [
            *(ENGLISH + GERMAN + FRENCH + SPANISH + PORTUGUESE + ITALIAN),
            *(HINDI + ARABIC + JAPANESE + CHINESE + KOREAN + OTHER),
        ],
    )
    def test_end_where_a_reader_expects_it(self, expected: str) -> None:
        text = expected.replace("|", "")
        assert marked(text, [cut for cut, _ in sentences(text, 0, len(text))]) == expected

    def test_at_the_end_of_a_line_are_better_cuts(self) -> None:
        text = "One. Two.\nThree.”\r\nFour."
        assert [kind for _, kind in sentences(text, 0, len(text))] == [
            CutKind.SENTENCE,
            CutKind.SENTENCE_AND_LINE,
            CutKind.SENTENCE_AND_LINE,
        ]

    def test_marked_by_an_edge_need_no_full_stop(self) -> None:
        text = "Title\x1eand then"
        assert list(sentences(text, 0, len(text))) == [(6, CutKind.SENTENCE_AND_LINE)]


class TestParagraphs:
    @pytest.mark.parametrize(
        "expected",
        [
            "One\n\n|Two\nstill two\n \t\n\n  |Three",
            "One\r\n\r\n|Two\r\nstill two",
            "One\r\r|Two",
            "One\u2029|Two\f|Three",
            "One\x1d|Two",
        ],
    )
    def test_are_separated_by_blank_lines_and_separators(self, expected: str) -> None:
        text = expected.replace("|", "")
        assert marked(text, [cut for cut, _ in paragraphs(text, 0, len(text))]) == expected


class TestClauses:
    @pytest.mark.parametrize(
        "expected",
        [
            "Yes, |he said; |then: |no",
            "At 10:30, |1,000 people",
            "me--|but not--|you — |or",
            "1990–1995 – |a time",
            "أولا، |ثانيا؛ |ثالثا",
            "一、|二，|三",
            "“Yes,” |he said",
            "pause\x1f|here",
        ],
    )
    def test_end_at_commas_and_dashes(self, expected: str) -> None:
        text = expected.replace("|", "")
        assert marked(text, [cut for cut, _ in clauses(text, 0, len(text))]) == expected


class TestWhiteSpace:
    def test_is_a_cut_unless_it_must_not_break(self) -> None:
        text = "a b\tc\nd\u00a0e\u2007f\u202fg \u00a0h\u3000i"
        assert (
            marked(text, [cut for cut, _ in white_space(text, 0, len(text))])
            == "a |b\t|c\n|d\u00a0e\u2007f\u202fg \u00a0|h\u3000|i"
        )


class TestCharacters:
    @pytest.mark.parametrize(
        "expected",
        [
            "今|天|天|气",
            "きょ|う|は|ー|x".replace("は|ー|", "はー"),
            "カ\u3099|キ",
            "가|나",
            "abc",
            "「今|日」|「明|日」",
        ],
    )
    def test_are_cuts_between_ideographs_kana_and_syllables(self, expected: str) -> None:
        text = expected.replace("|", "")
        assert marked(text, [cut for cut, _ in characters(text, 0, len(text))]) == expected


class TestGraphemes:
    @pytest.mark.parametrize(
        "text",
        [
            "e\u0301",
            "क\u093e",
            "\r\n",
            "\N{WAVING HAND SIGN}\U0001f3fd",
            "\N{MAN}\u200d",
            "\u200d\N{WOMAN}",
            "❤\ufe0f",
            "\U0001f1e9\U0001f1ea",
            "\N{WAVING BLACK FLAG}\U000e0067",
        ],
    )
    def test_are_not_divided(self, text: str) -> None:
        assert is_inside_grapheme(text, 1)

    @pytest.mark.parametrize("text", ["ab", "\n\r", "今天", "\N{MAN}\N{WOMAN}", "a\U0001f1e9"])
    def test_are_divided_from_each_other(self, text: str) -> None:
        assert not is_inside_grapheme(text, 1)
