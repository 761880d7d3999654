"""Synthesis tasks: their life, their output and their memory."""
