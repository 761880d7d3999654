#!/bin/sh
# Build the sdist, and the wheel from it, with pinned tools; check both: scripts/build_dist.sh FOLDER
#
# FOLDER is emptied first. TAG, such as v1.2.3, is the git tag of a release, which the files must match.
# The same commit gives the same bytes: the files get the time of the commit.
set -eu
cd "$(dirname "$0")/.."

folder=$1
tools=.venv-tools/bin
rm -rf "$folder"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .tools/uv/bin/uv build --quiet --python "$tools/python" \
    --build-constraints .ci/tools.txt --require-hashes --out-dir "$folder"
rm -f "$folder/.gitignore" # uv's own
"$tools/twine" check --strict "$folder"/*
"$tools/python" -m scripts.check_dist "$folder" ${TAG:+--tag "$TAG"}
