"""What many texts cost on several machines: see ``python -m benchmarks.scale --help``."""
