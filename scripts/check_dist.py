"""Check what a built sdist and wheel contain: ``python -m scripts.check_dist dist [--tag v1.2.3]``.

The wheel must contain the package's files that git tracks and the wheel's metadata, and nothing else. The
sdist must contain all files that git tracks, except those that ``pyproject.toml`` excludes. Each file must be
the same as in the working tree. The check needs only the standard library.
"""

import argparse
import configparser
import hashlib
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from email.parser import BytesParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_polly_provider"
VERSION_FILE = f"{PACKAGE}/__init__.py"


def main(arguments: list[str] | None = None) -> int:
    """Check the files, print their hashes or the problems, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.check_dist", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder that contains one sdist and one wheel")
    parser.add_argument("--tag", help="the release's git tag, such as v1.2.3; the version must match it")
    parsed = parser.parse_args(arguments)
    tracked = read_tracked(ROOT)
    version = read_version(tracked[VERSION_FILE].decode())
    project = tomllib.loads(tracked["pyproject.toml"].decode())
    wheel = parsed.folder / f"{PACKAGE}-{version}-py3-none-any.whl"
    sdist = parsed.folder / f"{PACKAGE}-{version}.tar.gz"
    problems = folder_problems(parsed.folder, {wheel.name, sdist.name})
    if not problems:
        problems += wheel_problems(read_wheel(wheel), tracked, version, project)
        problems += sdist_problems(read_sdist(sdist), tracked, version, project)
    if parsed.tag is not None:
        problems += release_problems(parsed.tag, version, tracked["CHANGELOG.md"].decode())
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    for file in (sdist, wheel):
        print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file}")
    return 0


def read_tracked(root: Path) -> dict[str, bytes]:
    """Return the files that git tracks, with their content in the working tree.

    :param root: folder of the repository
    """
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return {name: (root / name).read_bytes() for name in listed.stdout.split("\0") if name}


def read_version(source: str) -> str:
    """Return the version that the package's ``__init__.py`` sets.

    :param source: text of that file
    :raises ValueError: if the file does not set exactly one version
    """
    versions: list[str] = re.findall(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if len(versions) != 1:
        raise ValueError(
            f'{VERSION_FILE} must have exactly one line __version__ = "…", but has {len(versions)}.'
        )
    return versions[0]


def read_wheel(file: Path) -> dict[str, bytes]:
    """Return the files of a wheel, with their content.

    :param file: the wheel
    """
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read_sdist(file: Path) -> dict[str, bytes]:
    """Return the members of an sdist except folders, with their content.

    :param file: the sdist
    """
    with tarfile.open(file) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if not member.isdir()}
        return {name: content.read() if content else b"" for name, content in files.items()}


def folder_problems(folder: Path, expected: set[str]) -> list[str]:
    """Return a message if the folder does not contain exactly the expected files.

    :param folder: folder that the build wrote
    :param expected: names of the sdist and the wheel
    """
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if found == expected:
        return []
    return [f"{folder} must contain {sorted(expected)}, but contains {sorted(found)}. Run: make dist"]


def wheel_problems(
    wheel: Mapping[str, bytes], tracked: Mapping[str, bytes], version: str, project: Mapping[str, Any]
) -> list[str]:
    """Return a message for each problem in the wheel's content.

    :param wheel: the files of the wheel, with their content
    :param tracked: the files that git tracks
    :param version: the package's version
    :param project: content of ``pyproject.toml``
    """
    info = f"{PACKAGE}-{version}.dist-info"
    licences = {f"{info}/licenses/{name}": tracked[name] for name in project["project"]["license-files"]}
    package = {name: content for name, content in tracked.items() if name.startswith(f"{PACKAGE}/")}
    written = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    problems = content_problems("wheel", wheel, package | licences, written)
    if f"{PACKAGE}/py.typed" not in wheel:
        problems.append("The wheel does not contain py.typed. Type checkers would ignore its annotations.")
    problems += metadata_problems("wheel", wheel.get(f"{info}/METADATA", b""), version)
    declared = project["project"]["entry-points"]
    parser = configparser.ConfigParser(delimiters="=")
    parser.read_string(wheel.get(f"{info}/entry_points.txt", b"").decode())
    found = {name: dict(parser.items(name)) for name in parser.sections()}
    if found != declared:
        problems.append(f"The wheel's entry points are {found}, but pyproject.toml declares {declared}.")
    return problems


def sdist_problems(
    sdist: Mapping[str, bytes], tracked: Mapping[str, bytes], version: str, project: Mapping[str, Any]
) -> list[str]:
    """Return a message for each problem in the sdist's content.

    :param sdist: the files of the sdist, with their content; their paths begin with the folder of the sdist
    :param tracked: the files that git tracks
    :param version: the package's version
    :param project: content of ``pyproject.toml``
    """
    folder = f"{PACKAGE}-{version}"
    excluded = project["tool"]["hatch"]["build"]["targets"]["sdist"]["exclude"]
    expected = {
        f"{folder}/{name}": content for name, content in tracked.items() if not is_excluded(name, excluded)
    }
    problems = content_problems("sdist", sdist, expected, {f"{folder}/PKG-INFO"})
    if sdist.keys() - expected.keys() - {f"{folder}/PKG-INFO"}:
        problems.append("The sdist must contain only tracked files: add each file to git or to .gitignore.")
    return problems + metadata_problems("sdist", sdist.get(f"{folder}/PKG-INFO", b""), version)


def is_excluded(name: str, excluded: Iterable[str]) -> bool:
    """Return whether hatchling leaves a file out of the sdist.

    :param name: path from the root of the repository
    :param excluded: files and folders, each with a leading slash
    """
    return any(f"/{name}" == path or f"/{name}".startswith(f"{path}/") for path in excluded)


def content_problems(
    kind: str, found: Mapping[str, bytes], expected: Mapping[str, bytes], written: set[str]
) -> list[str]:
    """Return a message for each file that is missing, unexpected or different.

    :param kind: ``sdist`` or ``wheel``
    :param found: the files that the sdist or wheel contains, with their content
    :param expected: the files that it must contain, with their content
    :param written: additional files that the build backend writes
    """
    missing = sorted((expected.keys() | written) - found.keys())
    unexpected = sorted(found.keys() - expected.keys() - written)
    different = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    problems = [f"The {kind} does not contain {name}" for name in missing]
    problems += [f"The {kind} contains {name}, which must not be in it" for name in unexpected]
    problems += [f"The {kind}'s {name} differs from the working tree" for name in different]
    return problems


def metadata_problems(kind: str, metadata: bytes, version: str) -> list[str]:
    """Return a message if the version in the metadata is not the package's version.

    :param kind: ``sdist`` or ``wheel``
    :param metadata: content of ``METADATA`` or ``PKG-INFO``
    :param version: the package's version
    """
    found = BytesParser().parsebytes(metadata)["Version"]
    if found == version:
        return []
    return [f"The {kind}'s metadata contains the version {found}, but {VERSION_FILE} contains {version}."]


def release_problems(tag: str, version: str, changelog: str) -> list[str]:
    """Return a message for each reason why a tag cannot be released.

    :param tag: the tag, such as ``v1.2.3``
    :param version: the package's version
    :param changelog: text of ``CHANGELOG.md``
    """
    problems = []
    if tag != f"v{version}":
        problems.append(
            f"The tag is {tag}, but the version in {VERSION_FILE} is {version}: use the tag v{version}."
        )
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        problems.append(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'. Add it for the release.")
    return problems


if __name__ == "__main__":
    sys.exit(main())
