"""Tests on one real Airflow, whose DAG runs all start at once: they run on every supported version."""
