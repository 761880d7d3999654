"""Measures the parts of a document: ``python -m benchmarks.documents.splitting --help``."""
