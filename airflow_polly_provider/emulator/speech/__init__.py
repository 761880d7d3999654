"""Speech, in child processes."""
