#!/bin/sh
# Build a locked environment: scripts/bootstrap.sh ENVIRONMENT_FOLDER [arguments for `uv sync`]
# or, without the project:    scripts/bootstrap.sh ENVIRONMENT_FOLDER --requirements FILE_WITH_HASHES
#
# The script needs a supported Python and pip, but not venv or ensurepip. It installs uv from PyPI with
# `pip install --target`, which even an externally managed pip allows.
# PYTHON is the interpreter to use; PYTHON_BELOW is the lowest minor version that is too new.
set -eu

uv_version=0.13.9
environment=$1
shift
below=${PYTHON_BELOW:-3.15}
cd "$(dirname "$0")/.."

die() {
    echo "bootstrap: $*" >&2
    exit 1
}

suits() {
    "$1" - "$below" >/dev/null 2>&1 <<'PYTHON'
import sqlite3, ssl, sys

below = tuple(map(int, sys.argv[1].split(".")))
sys.exit(not (3, 11) <= sys.version_info[:2] < below)
PYTHON
}

python=
for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
    if suits "$candidate"; then
        python=$(command -v "$candidate")
        break
    fi
done
[ -n "$python" ] || die "no Python from 3.11 to below $below (with sqlite3 and ssl) among:" \
    "${PYTHON:-python3, python3.11, python3.12, …}. Install one, or set it: make PYTHON=/path/to/python …"

uv=.tools/uv-$uv_version/bin/uv
if [ ! -x "$uv" ]; then
    pip=
    for candidate in "$python -m pip" "python3 -m pip" pip3 pip; do
        if $candidate --version >/dev/null 2>&1; then
            pip=$candidate
            break
        fi
    done
    [ -n "$pip" ] || die "no pip for $python. Install it (on Debian: apt-get install python3-pip)."
    echo "bootstrap: fetching uv $uv_version" >&2
    rm -rf ".tools/uv-$uv_version" .tools/uv-fetching
    # If pip is configured to install for the user, or only into virtual environments, it does not accept --target.
    PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
        $pip install --quiet --target .tools/uv-fetching "uv==$uv_version"
    mv .tools/uv-fetching ".tools/uv-$uv_version"
fi
# Change the link only if necessary, because another bootstrap may be using it.
[ "$(readlink .tools/uv)" = "uv-$uv_version" ] || ln -sfn "uv-$uv_version" .tools/uv

[ -d "$environment" ] || echo "bootstrap: building $environment (takes a few minutes if nothing is cached)" >&2
unset VIRTUAL_ENV
export UV_PROJECT_ENVIRONMENT="$environment" UV_PYTHON_DOWNLOADS=never
if [ "${1:-}" = --requirements ]; then
    [ -x "$environment/bin/python" ] || "$uv" venv --quiet --python "$python" "$environment"
    exec "$uv" pip sync --quiet --require-hashes --python "$environment/bin/python" "$2"
fi
exec "$uv" sync --frozen --quiet --python "$python" "$@"
