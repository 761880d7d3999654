"""Measures the cost of many texts on several machines: see ``python -m benchmarks.scale --help``."""
