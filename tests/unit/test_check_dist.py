"""The check of what sdist and wheel contain."""

from __future__ import annotations

import io
import tarfile
import tomllib
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from scripts import check_dist

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "1.2.3"
PYPROJECT = b"""
[project]
license-files = ["LICENSE"]
[project.entry-points.apache_airflow_provider]
provider_info = "airflow_polly_provider.get_provider_info:get_provider_info"
[tool.hatch.build.targets.sdist]
exclude = ["/.github", "/uv.lock"]
"""
TRACKED = {
    ".github/workflows/tests.yml": b"name: Tests",
    "CHANGELOG.md": b"# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-26\n",
    "LICENSE": b"Apache",
    "airflow_polly_provider/__init__.py": b'"""Doc."""\n\n__version__ = "1.2.3"\n',
    "airflow_polly_provider/py.typed": b"",
    "pyproject.toml": PYPROJECT,
    "tests/unit/test_it.py": b"def test_it(): ...",
    "uv.lock": b"version = 1",
}
PROJECT = tomllib.loads(PYPROJECT.decode())
INFO = f"airflow_polly_provider-{VERSION}.dist-info"
SDIST = f"airflow_polly_provider-{VERSION}"
METADATA = b"Name: airflow-polly-provider\nVersion: 1.2.3\n\nText\n"
WHEEL = {
    "airflow_polly_provider/__init__.py": TRACKED["airflow_polly_provider/__init__.py"],
    "airflow_polly_provider/py.typed": b"",
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/RECORD": b"",
    f"{INFO}/WHEEL": b"",
    f"{INFO}/entry_points.txt": (
        b"[apache_airflow_provider]\n"
        b"provider_info = airflow_polly_provider.get_provider_info:get_provider_info\n"
    ),
    f"{INFO}/licenses/LICENSE": b"Apache",
}
SOURCE = {
    f"{SDIST}/PKG-INFO": METADATA,
    **{
        f"{SDIST}/{name}": content
        for name, content in TRACKED.items()
        if name not in (".github/workflows/tests.yml", "uv.lock")
    },
}


def wheel_problems(wheel: dict[str, bytes]) -> list[str]:
    return check_dist.wheel_problems(wheel, TRACKED, VERSION, PROJECT)


def sdist_problems(sdist: dict[str, bytes]) -> list[str]:
    return check_dist.sdist_problems(sdist, TRACKED, VERSION, PROJECT)


def without(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {other: content for other, content in files.items() if other != name}


def test_a_complete_wheel_and_a_complete_sdist_have_no_problems() -> None:
    assert wheel_problems(WHEEL) == []
    assert sdist_problems(SOURCE) == []


@pytest.mark.parametrize(
    "name",
    [
        "tests/unit/test_it.py",
        "airflow_polly_provider/untracked.py",
        "airflow_polly_provider/__pycache__/hooks.cpython-311.pyc",
        "LICENSE",
    ],
)
def test_a_file_that_must_not_be_in_the_wheel_is_a_problem(name: str) -> None:
    assert wheel_problems(WHEEL | {name: b""}) == [f"The wheel contains {name}, which must not be in it"]


@pytest.mark.parametrize("name", sorted(WHEEL))
def test_a_file_that_the_wheel_lacks_is_a_problem(name: str) -> None:
    assert f"The wheel does not contain {name}" in wheel_problems(without(WHEEL, name))


def test_a_wheel_without_py_typed_is_a_problem_even_where_git_does_not_track_it() -> None:
    name = "airflow_polly_provider/py.typed"
    (problem,) = check_dist.wheel_problems(without(WHEEL, name), without(TRACKED, name), VERSION, PROJECT)
    assert "does not contain py.typed" in problem


def test_entry_points_other_than_the_declared_ones_are_a_problem() -> None:
    (problem,) = wheel_problems(WHEEL | {f"{INFO}/entry_points.txt": b"[console_scripts]\nx = y:z\n"})
    assert "console_scripts" in problem


@pytest.mark.parametrize("name", ["uv.lock", ".github/workflows/tests.yml", "notes.txt"])
def test_an_excluded_or_untracked_file_in_the_sdist_is_a_problem(name: str) -> None:
    problem, advice = sdist_problems(SOURCE | {f"{SDIST}/{name}": b""})
    assert problem == f"The sdist contains {SDIST}/{name}, which must not be in it"
    assert "add each file to git or to .gitignore" in advice


@pytest.mark.parametrize("name", sorted(SOURCE))
def test_a_file_that_the_sdist_lacks_is_a_problem(name: str) -> None:
    assert f"The sdist does not contain {name}" in sdist_problems(without(SOURCE, name))


def test_content_that_differs_from_the_working_tree_is_a_problem() -> None:
    name = "airflow_polly_provider/__init__.py"
    assert wheel_problems(WHEEL | {name: b"old"}) == [f"The wheel's {name} differs from the working tree"]


def test_metadata_of_another_version_are_a_problem() -> None:
    (problem,) = wheel_problems(WHEEL | {f"{INFO}/METADATA": b"Version: 1.2.2\n"})
    assert "1.2.2" in problem
    assert VERSION in problem


def test_a_tag_of_another_version_is_refused() -> None:
    (problem,) = check_dist.release_problems("v1.2.4", VERSION, TRACKED["CHANGELOG.md"].decode())
    assert "use the tag v1.2.3" in problem


def test_a_version_without_its_heading_in_the_changelog_is_refused() -> None:
    (problem,) = check_dist.release_problems("v1.2.3", VERSION, "## [Unreleased]\n")
    assert "## [1.2.3] - YYYY-MM-DD" in problem


@pytest.mark.parametrize("source", ["", '__version__ = "1"\n__version__ = "2"\n'])
def test_a_package_without_exactly_one_version_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="one line __version__"):
        check_dist.read_version(source)


def build(folder: Path) -> None:
    """Write an sdist and a wheel with the expected content."""
    folder.mkdir()
    with zipfile.ZipFile(folder / f"{SDIST}-py3-none-any.whl", "w") as wheel:
        for name, content in WHEEL.items():
            wheel.writestr(name, content)
    with tarfile.open(folder / f"{SDIST}.tar.gz", "w:gz") as sdist:
        for name, content in SOURCE.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            sdist.addfile(member, io.BytesIO(content))


def test_the_command_prints_the_hashes_of_correct_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path / "dist")
    monkeypatch.setattr(check_dist, "read_tracked", lambda root: TRACKED)

    assert check_dist.main([str(tmp_path / "dist"), "--tag", "v1.2.3"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit("/", 1)[1] for line in lines] == [f"{SDIST}.tar.gz", f"{SDIST}-py3-none-any.whl"]
    assert all(len(line.split()[0]) == 64 for line in lines)


def test_the_command_fails_where_the_folder_has_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
) -> None:
    build(tmp_path / "dist")
    (tmp_path / "dist" / f"{SDIST}-py3-none-any.whl.old").touch()
    monkeypatch.setattr(check_dist, "read_tracked", lambda root: TRACKED)

    assert check_dist.main([str(tmp_path / "dist")]) == 1

    assert "must contain" in capsys.readouterr().err
