"""A real Airflow in separate processes, for demos, tests and benchmarks: see `scripts.stack.airflow`."""
