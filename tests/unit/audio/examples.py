"""The number of examples of slow property tests: set POLLY_TEST_EXAMPLES=2000 to run more."""

from __future__ import annotations

import os

EXAMPLES = int(os.environ.get("POLLY_TEST_EXAMPLES", "200"))
