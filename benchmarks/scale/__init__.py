"""Measures the time and CPU use of many texts on several machines: ``python -m benchmarks.scale --help``."""
