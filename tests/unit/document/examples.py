"""Settings of the property tests in this folder."""

from __future__ import annotations

import os

from hypothesis import settings

many = settings(max_examples=int(os.environ.get("DOCUMENT_EXAMPLES", "200")))
"""The number of examples. Set DOCUMENT_EXAMPLES to run more."""
