"""Compares one batch task with one mapped task for each text: see `benchmarks.batch.__main__`."""
