#!/bin/sh
# Print the path of a Python with the given minor version, such as 3.12; fail if this machine has none.
# Also search pyenv's versions folder, because pyenv's `python3.12` command works only if that version is selected.
set -eu

for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python3; do
    if "$candidate" -c 'import sqlite3, ssl' >/dev/null 2>&1; then
        command -v "$candidate"
        exit
    fi
done
echo "no Python $1 (with sqlite3 and ssl) on this machine" >&2
exit 1
