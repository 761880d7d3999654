"""Audio formats: headers and durations, computed from bytes alone."""
