"""Check that the installed version of each direct dependency is the lowest declared version."""

import importlib.metadata
import sys

from packaging.requirements import Requirement
from packaging.version import Version

NAME = "airflow-polly-provider"


def lowest(requirement: Requirement) -> Version:
    """Return the lower bound of a requirement.

    :raises ValueError: if the requirement has no lower bound
    """
    for specifier in requirement.specifier:
        if specifier.operator == ">=":
            return Version(specifier.version)
    raise ValueError(f"{requirement} has no lower bound.")


def main() -> int:
    """Compare the versions, and return the exit code."""
    requirements = [Requirement(text) for text in importlib.metadata.requires(NAME) or []]
    wrong = [
        f"{requirement.name} {installed} is installed, but {requirement} is declared"
        for requirement in requirements
        if requirement.name != NAME
        and (installed := Version(importlib.metadata.version(requirement.name))) != lowest(requirement)
    ]
    print("\n".join(wrong) or "Each direct dependency has the lowest declared version")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
