"""The results that later tasks and other systems receive."""
