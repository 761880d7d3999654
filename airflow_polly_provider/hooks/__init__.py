"""Hooks: one typed method for each Polly operation."""
