"""Counts the synthesis tasks that a run with a fault starts: ``python -m benchmarks.faults``."""
