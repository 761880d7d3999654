#!/bin/sh
# Print the path of a Python of a minor version, such as 3.12; fail where this machine has none.
# pyenv's are found among its versions, since its `python3.12` works only where it is selected.
set -eu

for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python3; do
    if "$candidate" -c 'import sqlite3, ssl' >/dev/null 2>&1; then
        command -v "$candidate"
        exit
    fi
done
echo "no Python $1 (with sqlite3 and ssl) on this machine" >&2
exit 1
