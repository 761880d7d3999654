"""Modules that all other parts of the emulator use."""
