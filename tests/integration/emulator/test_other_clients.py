"""Clients that cannot be installed in the main environment, and moto's tests of Polly.

``make test-clients`` builds an environment for them from ``clients/requirements.txt``, and names its folder
in ``POLLY_EMULATOR_CLIENTS``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_polly_provider.emulator.testing import RunningEmulator

CLIENTS = Path(__file__).parent / "clients"
ENVIRONMENT = Path(os.environ.get("POLLY_EMULATOR_CLIENTS", "missing")).resolve()
MOTO = "moto==5.2.5"
# moto's tests that expect other answers than Polly's, with the answer of Polly and the emulator.
NOT_AS_POLLY = {
    "test_describe_voices": "ValidationException, not the code 400, for an unknown language",
    "test_put_lexicon_bad_name": "ValidationException, not InvalidParameterValue",
    "test_synthesize_speech_bad_output_format": "ValidationException, not InvalidParameterValue",
    "test_synthesize_speech_bad_text_type": "ValidationException, not InvalidParameterValue",
    "test_synthesize_speech_bad_voice_id": "ValidationException, not InvalidParameterValue",
}

pytestmark = [
    pytest.mark.skipif(
        not ENVIRONMENT.is_dir(),
        reason="set POLLY_EMULATOR_CLIENTS, or run make test-clients",
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture
def environ(emulator: RunningEmulator) -> dict[str, str]:
    """Return environment variables that make every SDK use the emulator."""
    return os.environ | {
        "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": emulator.endpoint_url,
        "AWS_REGION": emulator.region,
        "AWS_DEFAULT_REGION": emulator.region,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
    }


def run(*command: object, **settings: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, check=False, **settings
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def seen_by(output: str) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(output.splitlines()[-1])
    return seen


def assert_served(seen: dict[str, Any], error: str = "SynthesisTaskNotFoundException") -> None:
    assert seen.pop("bytes") > 1000
    assert seen == {"status": "completed", "listed": 1, "error": error}


def test_aiobotocore_starts_gets_lists_and_speaks(emulator: RunningEmulator, environ: dict[str, str]) -> None:
    assert_served(seen_by(run("python", CLIENTS / "use_aiobotocore.py", emulator.bucket, env=environ)))


def test_capo_starts_gets_lists_and_speaks(emulator: RunningEmulator, environ: dict[str, str]) -> None:
    script = (CLIENTS / "use_capo.py", emulator.endpoint_url, emulator.bucket)
    assert_served(seen_by(run("python", *script, env=environ)))


def test_py3_tts_wrapper_speaks_and_returns_word_timings(environ: dict[str, str]) -> None:
    seen = seen_by(run("python", CLIENTS / "use_tts_wrapper.py", env=environ))
    assert seen.pop("seconds") > 1
    assert seen == {"words": ["Hello", "from", "the", "emulator"], "joanna": True}


def test_the_unmodified_javascript_sdk_starts_gets_lists_and_speaks(
    emulator: RunningEmulator, environ: dict[str, str], tmp_path: Path
) -> None:
    for name in ("package.json", "package-lock.json", "use_the_javascript_sdk.mjs"):
        (tmp_path / name).write_text((CLIENTS / name).read_text())
    run("npm", "ci", "--no-audit", "--no-fund", cwd=tmp_path, env=environ)
    script = ("use_the_javascript_sdk.mjs", emulator.endpoint_url, emulator.bucket)
    seen = seen_by(run("node", *script, cwd=tmp_path, env=environ))
    assert seen.pop("protocol") == "h2"
    assert_served(seen)


@pytest.fixture(scope="module")
def moto_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return moto's tests of Polly from its source distribution, changed to call a real endpoint."""
    folder = tmp_path_factory.mktemp("moto")
    source = ("--no-deps", "--no-binary", "moto", "--dest", folder, MOTO)
    run(ENVIRONMENT / "bin" / "python", "-m", "pip", "download", "--quiet", *source)
    (archive,) = folder.glob("moto-*.tar.gz")
    with tarfile.open(archive) as files:
        member = files.extractfile(f"{archive.name.removesuffix('.tar.gz')}/tests/test_polly/test_polly.py")
        assert member is not None
        text, replaced = re.subn(
            r"(?m)^from moto import mock_aws.*$", "mock_aws = lambda test: test", member.read().decode()
        )
    assert replaced == 1
    path = folder / "test_polly.py"
    path.write_text(text)
    return path


def test_motos_tests_pass_where_they_agree_with_polly(moto_tests: Path, environ: dict[str, str]) -> None:
    names = re.findall(r"(?m)^def (test_\w+)", moto_tests.read_text())
    command: list[str | Path] = [
        ENVIRONMENT / "bin" / "python",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        moto_tests,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environ, cwd=moto_tests.parent
    )
    failed = set(re.findall(r"(?m)^FAILED \S+::(test_\w+)", done.stdout))
    assert len(names) == 14
    assert failed == NOT_AS_POLLY.keys(), done.stdout
