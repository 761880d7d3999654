#!/bin/sh
# Build the sdist, build the wheel from it with pinned tools, and check both: scripts/build_dist.sh FOLDER
#
# FOLDER is emptied first. TAG, such as v1.2.3, is a release's git tag; the files must match it.
# Two builds of the same commit have the same bytes, because the files get the commit's time.
set -eu
cd "$(dirname "$0")/.."

folder=$1
tools=.venv-tools/bin
rm -rf "$folder"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .tools/uv/bin/uv build --quiet --python "$tools/python" \
    --build-constraints .ci/tools.txt --require-hashes --out-dir "$folder"
rm -f "$folder/.gitignore" # written by uv
"$tools/twine" check --strict "$folder"/*
"$tools/python" -m scripts.check_dist "$folder" ${TAG:+--tag "$TAG"}
