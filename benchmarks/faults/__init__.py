"""How many synthesis tasks a run pays for when something fails: ``python -m benchmarks.faults``."""
