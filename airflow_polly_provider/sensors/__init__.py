"""Sensors: gates on TaskStatus."""
