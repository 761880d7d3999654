"""The random sentences that a new reader checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts import sample_sentences

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """\
# Heading of this short page

The first sentence is short. The second sentence is short too. Here is one more sentence.

```python
code = "This code is not a sentence of the page."
```
"""
MODULE = '''\
"""The module's first line is a sentence.

======  ==================================
method  meaning
======  ==================================
get     return the value of the first cell
put     replace the value of the last cell
======  ==================================

The paragraph after the table is a sentence.
"""


def connect(host: str, tries: int) -> None:
    """Connect to a host, and retry.

    :param host: the name of the host to connect to
    """
    log.info("Connecting to the host %s in %.1f seconds", host, tries)
    raise ValueError(f"The host {host!r} did not respond to {tries} tries: check its name")
'''


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "airflow_polly_provider"
    package.mkdir()
    (tmp_path / "PAGE.md").write_text(PAGE)
    (package / "module.py").write_text(MODULE)
    monkeypatch.setattr(sample_sentences, "ROOT", tmp_path)


def sampled(seed: int = 1, count: int = 60) -> list[str]:
    return [sentence.text for sentence in sample_sentences.sample(seed, count)]


def test_the_same_seed_gives_the_same_sentences() -> None:
    assert sampled(seed=7, count=6) == sampled(seed=7, count=6)
    assert len({tuple(sampled(seed=seed, count=6)) for seed in range(20)}) > 1


def test_sentences_come_from_pages_docstrings_and_messages() -> None:
    assert sorted(sampled()) == [
        ":param host: the name of the host to connect to",
        "Connect to a host, and retry.",
        "Connecting to the host … in … seconds",
        "Heading of this short page",
        "Here is one more sentence.",
        "The first sentence is short.",
        "The host … did not respond to … tries: check its name",
        "The module's first line is a sentence.",
        "The paragraph after the table is a sentence.",
        "The second sentence is short too.",
    ]


def test_a_table_in_a_docstring_is_left_out() -> None:
    assert not [text for text in sampled() if "===" in text or "cell" in text]


def test_a_message_with_a_placeholder_is_printed_with_an_ellipsis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sample_sentences", "--seed", "1"])

    sample_sentences.main()

    printed = capsys.readouterr().out
    assert "Connecting to the host … in … seconds\n     airflow_polly_provider/module.py:" in printed
    assert "The host … did not respond to … tries: check its name" in printed
