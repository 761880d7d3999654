"""Many texts in one Airflow task."""
