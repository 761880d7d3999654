"""Polly's operations."""
