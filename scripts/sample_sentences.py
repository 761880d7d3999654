"""Print random sentences from the pages, docstrings and messages, so that a new reader can check them.

Run it as ``python -m scripts.sample_sentences --seed 1``. One third of the sentences comes from each source.
If the files do not change, the same seed gives the same sentences. Rewrite each sentence that a reader has to
read twice.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("*.md", "docs/**/*.md", "example_dags/**/*.md")
CODE = ("airflow_polly_provider/**/*.py", "example_dags/*.py", "scripts/**/*.py", "benchmarks/**/*.py")
NOT_OURS = {"_build", "node_modules"}
# A full stop, an exclamation mark or a question mark before a new sentence; not "e.g." or a version number.
END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\[\"'(])")
# A reStructuredText table, from a line of === columns to such a line before a blank line.
TABLE = re.compile(r"^ *=+(?: +=+)+\n.*?^ *=+(?: +=+)+(?=\n\s*\n|\s*\Z)", re.DOTALL | re.MULTILINE)
LOGGING = {"debug", "info", "warning", "error", "exception", "critical"}
FEWEST_WORDS = 4


class Sentence(NamedTuple):
    """A sentence, and where to find it.

    :param place: the file, and the line at which the paragraph, the definition or the call begins
    """

    text: str
    place: str


def main() -> None:
    """Print the sentences with numbers."""
    parser = argparse.ArgumentParser(prog="python -m scripts.sample_sentences", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="the same seed gives the same sentences")
    parser.add_argument("--count", type=int, default=60, help="number of sentences (default: %(default)s)")
    arguments = parser.parse_args()
    for number, sentence in enumerate(sample(arguments.seed, arguments.count), start=1):
        print(f"{number:3}. {sentence.text}\n     {sentence.place}")


def sample(seed: int, count: int) -> list[Sentence]:
    """Return random sentences: one third from pages, one third from docstrings, one third from messages.

    :param seed: a number; for the same number, the function returns the same sentences
    :param count: the number of sentences
    """
    chosen = random.Random(seed)
    sources = [sorted(set(source())) for source in (from_pages, from_docstrings, from_messages)]
    shares = [count // 3 + (1 if index < count % 3 else 0) for index in range(3)]
    drawn = [
        sentence
        for source, share in zip(sources, shares, strict=True)
        for sentence in chosen.sample(source, min(share, len(source)))
    ]
    chosen.shuffle(drawn)
    return drawn


def from_pages() -> Iterator[Sentence]:
    """Yield the sentences of all Markdown pages, including table cells, but without code blocks."""
    for path in _files(PAGES):
        text = re.sub(r"^(```|:::).*?^\1", _blank_lines, path.read_text(), flags=re.DOTALL | re.MULTILINE)
        line = 1
        for paragraph in re.split(r"\n(?=\s*\n|[-*|#>:] ?|\d+\. )", text):
            cells = (
                paragraph.strip().strip("|").split(" | ")
                if paragraph.strip().startswith("|")
                else [paragraph]
            )
            for cell in cells:
                yield from _sentences(re.sub(r"^\s*(?:[-*#>:]+|\d+\.)\s+", "", cell), path, line)
            line += paragraph.count("\n") + 1


def from_docstrings() -> Iterator[Sentence]:
    """Yield the sentences of all docstrings, including the descriptions of parameters, but without tables."""
    for path in _files(CODE):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (docstring := ast.get_docstring(node)) is None:
                continue
            line = getattr(node, "lineno", 1)
            for paragraph in re.split(r"\n\s*\n|\n(?=:\w+|- )", TABLE.sub("", docstring)):
                yield from _sentences(paragraph, path, line)


def from_messages() -> Iterator[Sentence]:
    """Yield the sentences of all error messages and log lines. Variable parts are replaced by …."""
    for path in _files(CODE):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            if name.endswith(("Error", "Exception")) or name in LOGGING or name == "_add_problem":
                yield from _sentences(_message(node.args[0]), path, node.lineno)


def _message(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return re.sub(r"%(?:\.\d)?[sdrf]", "…", str(node.value))
    return "".join(_message(part) for part in node.values) if isinstance(node, ast.JoinedStr) else "…"


def _sentences(paragraph: str, path: Path, line: int) -> Iterator[Sentence]:
    place = f"{path.relative_to(ROOT)}:{line}"
    for sentence in END_OF_SENTENCE.split(" ".join(paragraph.split())):
        if len(re.findall(r"[A-Za-z]{2,}", sentence)) >= FEWEST_WORDS:
            yield Sentence(sentence, place)


def _files(patterns: tuple[str, ...]) -> list[Path]:
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(path for path in found if not NOT_OURS & set(path.parts))


def _blank_lines(block: re.Match[str]) -> str:
    return "\n" * block[0].count("\n")


if __name__ == "__main__":
    main()
