"""What the Makefile, the integration tests and the benchmarks run; no part of the installed package."""
