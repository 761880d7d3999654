"""Starts, awaits and delivers many texts in one Airflow task."""
