"""Operators: orchestration only, no AWS call of their own."""
