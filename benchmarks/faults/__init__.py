"""Counts the synthesis tasks that a run pays for after a fault: ``python -m benchmarks.faults``."""
