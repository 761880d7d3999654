"""Measures the conversion of speech marks: ``python -m benchmarks.captions.conversion --help``."""
