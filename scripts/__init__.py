"""Scripts for the Makefile, the integration tests and the benchmarks; not part of the installed package."""
