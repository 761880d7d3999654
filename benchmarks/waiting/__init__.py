"""Compares the CPU time and memory of waiting in several ways: see `benchmarks.waiting.__main__`."""
