"""Check that the lowest declared versions of the direct dependencies are the installed ones."""

import importlib.metadata
import sys

from packaging.requirements import Requirement
from packaging.version import Version

NAME = "airflow-polly-provider"


def lowest(requirement: Requirement) -> Version:
    """Give the lower bound of a requirement.

    :raises ValueError: if it has none.
    """
    for specifier in requirement.specifier:
        if specifier.operator == ">=":
            return Version(specifier.version)
    raise ValueError(f"{requirement} has no lower bound.")


def main() -> int:
    """Compare, and give the exit code."""
    requirements = [Requirement(text) for text in importlib.metadata.requires(NAME) or []]
    wrong = [
        f"{requirement.name} {installed} is installed, and {requirement} is declared"
        for requirement in requirements
        if requirement.name != NAME
        and (installed := Version(importlib.metadata.version(requirement.name))) != lowest(requirement)
    ]
    print("\n".join(wrong) or "Installed: the lowest declared version of each direct dependency")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
