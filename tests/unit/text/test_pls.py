from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_polly_provider.emulator.base.errors import ApiError
from airflow_polly_provider.emulator.text.lexicons import MAX_CHARACTERS, parse_lexicon
from airflow_polly_provider.exceptions import PollyFinalError, PollyInvalidRequestError
from airflow_polly_provider.text.pls import ALPHABETS, MAX_LEXICON_CHARACTERS, check_pls
from tests.unit.support import warnings_in

NAMESPACE = "http://www.w3.org/2005/01/pronunciation-lexicon"
ROOT = f'<lexicon version="1.0" xmlns="{NAMESPACE}" alphabet="ipa" xml:lang="en-US">'
LEXEME = "<lexeme><grapheme>W3C</grapheme><alias>World Wide Web Consortium</alias></lexeme>"
BOMB = (
    '<!DOCTYPE lexicon [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f"{ROOT}<lexeme><grapheme>&b;</grapheme><alias>&b;</alias></lexeme></lexicon>"
)


def document(inner: str = LEXEME, root: str = ROOT) -> str:
    return f"{root}\n  {inner}\n</lexicon>"


class TestValidLexicon:
    def test_the_summary_of_a_lexicon_has_its_alphabet_language_and_number_of_lexemes(self) -> None:
        assert check_pls(document(LEXEME * 2)) == ("ipa", "en-US", 2)

    @pytest.mark.parametrize("identifier", ["", ' SYSTEM "file:///etc/passwd"'])
    def test_a_lexicon_with_a_doctype_is_checked_like_any_other(self, identifier: str) -> None:
        assert check_pls(f"<!DOCTYPE lexicon{identifier}>{document()}") == ("ipa", "en-US", 1)

    def test_a_lexicon_that_declares_entities_is_accepted_with_a_warning_and_none_is_expanded(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert check_pls(BOMB).lexemes == 0
        (warning,) = warnings_in(caplog)
        assert "declares an entity" in warning

    def test_carriage_returns_and_outer_white_space_do_not_count_towards_the_limit(self) -> None:
        lines = document("\r\n" * 19_000 + LEXEME) + "\r\n" * 20_000
        assert check_pls(lines).lexemes == 1
        assert parse_lexicon("a", lines, ["en-US"]).lexemes

    @pytest.mark.parametrize(
        "content",
        [
            f'<?xml version="1.0" encoding="UTF-8"?>\n{document()}',
            f'<?xml version="1.0" encoding="UTF-16"?>\n{document()}',
            f"\ufeff{document()}",
            document(""),
            document(f"<!-- a comment -->{LEXEME}"),
            document(
                f'<meta name="a" content="b"/><metadata><x xmlns="urn:x"><lexeme/></x></metadata>{LEXEME}'
            ),
            document("<lexeme><grapheme>a</grapheme><grapheme>A</grapheme><phoneme>x</phoneme></lexeme>"),
            document(
                "<lexeme role='x'><grapheme>a</grapheme><phoneme alphabet='x-sampa'>x</phoneme>"
                "<alias>b</alias><example>c</example></lexeme>"
            ),
            document(f'<note xmlns="urn:mine"><deep/></note>{LEXEME}'),
            document("<lexeme><grapheme>a</grapheme><phoneme><![CDATA[x]]>&#x2c8;&amp;</phoneme></lexeme>"),
            document(f"<lexeme><grapheme>a</grapheme><alias> {'b' * 100} </alias></lexeme>"),
            document(root=ROOT.replace("en-US", "en")),
            document() + " " * (MAX_LEXICON_CHARACTERS - len(document())),
        ],
        ids=range(13),
    )
    def test_every_construct_that_pls_allows_is_accepted(self, content: str) -> None:
        assert check_pls(content).alphabet == "ipa"

    @pytest.mark.parametrize("alphabet", ALPHABETS)
    def test_every_alphabet_that_polly_supports_is_accepted(self, alphabet: str) -> None:
        assert check_pls(document(root=ROOT.replace("ipa", alphabet))).alphabet == alphabet


REFUSED = {
    "nothing": (" \n", "is empty"),
    "too long": ("x" * 40_001, "40,001 characters; Polly accepts at most 40,000"),
    "no xml": ("W3C = World Wide Web Consortium", "line 1, column 1: it is not well-formed XML"),
    "cut off": (f"{ROOT}\n  <lexeme>", "line 2, column 11: it is not well-formed XML"),
    "two roots": (document() + document(), "not well-formed XML"),
    "undefined entity": (document("<lexeme>&eacute;</lexeme>"), "line 2, column 11: .*undefined entity"),
    "no lexicon after a doctype": ("<!DOCTYPE lexicon><p/>", "the root must be <lexicon>"),
    "no namespace": (document(root=ROOT.replace("xmlns", "other")), "line 1, column 1: the root must be"),
    "other root": (f'<lexemes xmlns="{NAMESPACE}"/>', "the root must be <lexicon>"),
    "no version": (document(root=ROOT.replace('version="1.0"', "")), 'needs version="1.0"'),
    "other version": (document(root=ROOT.replace('"1.0"', '"2.0"')), 'needs version="1.0"'),
    "no alphabet": (
        document(root=ROOT.replace('alphabet="ipa"', "")),
        "needs an alphabet that Polly supports: ipa",
    ),
    "other alphabet": (document(root=ROOT.replace("ipa", "arpabet")), "needs an alphabet"),
    "no language": (document(root=ROOT.replace('xml:lang="en-US"', "")), "needs xml:lang"),
    "no such language": (document(root=ROOT.replace("en-US", "en_US")), "needs xml:lang"),
    "no grapheme": (
        document("<lexeme><alias>b</alias></lexeme>"),
        "line 2, column 3: <lexeme> needs a <grapheme>",
    ),
    "no replacement": (
        document("<lexeme><grapheme>b</grapheme></lexeme>"),
        "needs a <phoneme> or an <alias>",
    ),
    "empty grapheme": (
        document("<lexeme><grapheme> </grapheme><alias>b</alias></lexeme>"),
        "<grapheme> is empty",
    ),
    "empty phoneme": (
        document("<lexeme><grapheme>a</grapheme>\n<phoneme/></lexeme>"),
        "line 3, column 1: <phoneme> is empty",
    ),
    "long alias": (
        document(f"<lexeme><grapheme>é</grapheme><alias>{'b' * 101}</alias></lexeme>"),
        "line 2, column 33: <alias> has 101 characters; Polly accepts at most 100",
    ),
    "alphabet of a phoneme": (
        document("<lexeme><grapheme>a</grapheme><phoneme alphabet='x'>b</phoneme></lexeme>"),
        "<phoneme> needs an alphabet that Polly supports",
    ),
    "misspelt": (document("<lexem><grapheme>a</grapheme></lexem>"), "<lexem> is not allowed in <lexicon>"),
    "stray": (document("<grapheme>a</grapheme>"), "<grapheme> is not allowed in <lexicon>"),
    "lone surrogate": (document("<lexeme><grapheme>\ud800</grapheme></lexeme>"), "not well-formed"),
    "zero byte": (document("\0"), "not well-formed"),
}


class TestInvalidLexicon:
    @pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
    def test_is_refused_with_the_position_and_the_reason(self, content: str, words: str) -> None:
        with pytest.raises(PollyInvalidRequestError, match=words) as error:
            check_pls(content)
        assert isinstance(error.value, PollyFinalError), "a retry cannot succeed"

    def test_error_lists_the_first_five_defects_and_counts_the_rest(self) -> None:
        bad = "\n<lexeme/>" * 4
        with pytest.raises(PollyInvalidRequestError) as error:
            check_pls(document(bad, ROOT.replace("ipa", "x")))
        message = str(error.value)
        assert message.index("line 1,") < message.index("line 3,") < message.index("line 4,")
        assert "line 5" not in message
        assert "and 4 more" in message

    def test_error_does_not_quote_the_lexicons_text(self) -> None:
        secret = "secret"
        with pytest.raises(PollyInvalidRequestError) as error:
            check_pls(document(f"<lexeme><grapheme>{secret}</grapheme></lexeme>"))
        assert secret not in str(error.value)


class TestInvariants:
    @given(st.text())
    def test_any_text_that_is_not_a_lexicon_is_refused(self, content: str) -> None:
        with pytest.raises(PollyInvalidRequestError):
            check_pls(content)

    @given(
        st.lists(
            st.sampled_from(
                [
                    "<lexeme>",
                    "</lexeme>",
                    "<grapheme>",
                    "</grapheme>",
                    "<alias>",
                    "</alias>",
                    "<phoneme/>",
                    "a",
                ]
            ),
            max_size=12,
        )
    )
    @example(["<lexeme>", "<grapheme>", "a", "</grapheme>", "<alias>", "a", "</alias>", "</lexeme>"])
    def test_the_emulator_accepts_every_lexicon_that_the_check_accepts(self, pieces: list[str]) -> None:
        """The emulator parses lexicons with separate code."""
        content = document("".join(pieces))
        try:
            summary = check_pls(content)
        except PollyInvalidRequestError:
            return
        lexicon = parse_lexicon("x", content, ["en-US"])
        assert (lexicon.alphabet, lexicon.language) == (summary.alphabet, summary.language)

    def test_the_emulator_has_the_same_size_limit(self) -> None:
        assert MAX_CHARACTERS == MAX_LEXICON_CHARACTERS
        with pytest.raises(ApiError, match="40000"):
            parse_lexicon("x", "x" * (MAX_CHARACTERS + 1), [])
