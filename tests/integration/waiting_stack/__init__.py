"""Tests of deferred waits on one real Airflow, between emulators that fail in different ways."""
