"""Tests of deferred waits on one real Airflow with several emulators, each with different faults."""
