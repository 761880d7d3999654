"""Synthesis tasks: their status, their output and their storage."""
