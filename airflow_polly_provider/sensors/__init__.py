"""Sensors that wait for a synthesis task."""
