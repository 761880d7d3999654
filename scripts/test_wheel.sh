#!/bin/sh
# Build the wheel, install it, and run the tests in a folder from which the source cannot be imported. Fail if the
# coverage is below the limit in pyproject.toml.
# Usage: scripts/test_wheel.sh [arguments for `uv sync`]
#
# PYTEST_ARGS are passed to pytest.
set -eu
cd "$(dirname "$0")/.."

environment=.venv-wheel
scripts/bootstrap.sh "$environment" --no-install-project "$@"
python=$PWD/$environment/bin/python
uv=.tools/uv/bin/uv

rm -rf .build/wheel
"$uv" build --quiet --wheel --python "$python" --out-dir .build/wheel
"$uv" pip install --quiet --python "$python" --no-deps .build/wheel/*.whl

git ls-files airflow_polly_provider | "$python" -c '
import sys, zipfile

packed = {name for name in zipfile.ZipFile(sys.argv[1]).namelist() if ".dist-info/" not in name}
tracked = set(sys.stdin.read().split())
if packed != tracked:
    sys.exit(f"The wheel lacks {sorted(tracked - packed)} and has the extra files {sorted(packed - tracked)}.")
print(f"The wheel contains the {len(packed)} files of the package")
' .build/wheel/*.whl

elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
git ls-files -z -- . ':!airflow_polly_provider' | tar --null -T - -cf - | tar -C "$elsewhere" -xf -
cd "$elsewhere"
"$python" -m scripts.import_all
"$python" -m pytest tests/unit tests/integration -m "not stack" --cov --cov-report=term:skip-covered ${PYTEST_ARGS:-}
