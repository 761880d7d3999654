#!/bin/sh
# Build the sdist and the wheel, check their contents, install the wheel, and run the tests in a folder from which
# Python cannot import the source. Fail if the coverage is below the limit in pyproject.toml.
# Usage: scripts/test_wheel.sh [arguments for `uv sync`]
#
# PYTEST_ARGS is passed to pytest. If DIST is a folder that `make dist` has built, the wheel in it is tested instead.
set -eu
cd "$(dirname "$0")/.."

environment=.venv-wheel
scripts/bootstrap.sh "$environment" --no-install-project "$@"
python=$PWD/$environment/bin/python
uv=.tools/uv/bin/uv

dist=${DIST:-.build/dist}
if [ -n "${DIST:-}" ]; then
    .venv-tools/bin/python -m scripts.check_dist "$dist"
else
    scripts/build_dist.sh "$dist"
fi
"$uv" pip install --quiet --python "$python" --no-deps "$dist"/*.whl

elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
git ls-files -z -- . ':!airflow_polly_provider' | tar --null -T - -cf - | tar -C "$elsewhere" -xf -
cd "$elsewhere"
"$python" -m scripts.import_all
# Python 3.12 and later can report lines to coverage at almost no cost. Without this, the tests take 30 % more time.
if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
    export COVERAGE_CORE=sysmon
fi
"$python" -m pytest tests/unit tests/integration -m "not stack" --cov --cov-report=term:skip-covered ${PYTEST_ARGS:-}
