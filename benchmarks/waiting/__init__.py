"""Compares the cost of waiting with alternatives: see `benchmarks.waiting.__main__`."""
