"""Many synthesis tasks in one Airflow task."""
