"""What later tasks and other systems receive."""
