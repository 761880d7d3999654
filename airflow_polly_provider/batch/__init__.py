"""Many synthesis tasks that one Airflow task starts, awaits and delivers."""
