"""Speech synthesis in child processes."""
