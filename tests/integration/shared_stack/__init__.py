"""Tests on one real Airflow. All its DAG runs start at the same time. They run on every supported version."""
