"""A real Airflow in processes of its own, for demos, tests and benchmarks: see `scripts.stack.airflow`."""
